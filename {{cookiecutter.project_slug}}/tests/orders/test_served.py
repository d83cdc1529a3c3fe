"""The orders of the service as a process, on its own server."""

import httpx2
from chassis.testing import PATIENCE, ServerProcess

from tests.factories import new_order


def test_an_order_is_served(emptied_url: str) -> None:
    with (
        ServerProcess({"APP_DATABASE__URL": emptied_url}) as server,
        httpx2.Client(base_url=server.url, timeout=PATIENCE) as client,
    ):
        assert client.get("/readyz").json()["status"] == "ok"
        order = client.post("/v1/orders", json=new_order())
        assert client.get(order.headers["Location"]).json() == order.json()
        assert client.delete(order.headers["Location"], headers={"If-Match": order.headers["ETag"]}).status_code == 204
        assert "swagger" in client.get("/docs").text
