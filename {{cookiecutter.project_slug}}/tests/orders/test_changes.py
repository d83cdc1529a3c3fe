"""Changes of an order by clients that have read it, and by others meanwhile."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest
from httpx2 import AsyncClient, Response

from tests.factories import new_order

ORDERS = "/v1/orders"


async def placed(client: AsyncClient) -> Response:
    return await client.post(ORDERS, json=new_order())


async def test_each_change_makes_another_tag(client: AsyncClient) -> None:
    order = await placed(client)
    path, tag = order.headers["Location"], order.headers["ETag"]
    assert tag == '"1"'
    paid = await client.patch(path, json={"status": "paid"}, headers={"If-Match": tag})
    assert (paid.status_code, paid.headers["ETag"]) == (200, '"2"')
    got = await client.get(path)
    assert (got.headers["ETag"], got.json()["status"]) == ('"2"', "paid")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("tag", "status", "slug"),
    [
        (None, 428, "precondition-required"),
        ('"7"', 412, "precondition-failed"),
        ('W/"1"', 412, "precondition-failed"),
        ("1", 400, "malformed-precondition"),
    ],
)
async def test_a_change_without_the_orders_tag_is_rejected(
    client: AsyncClient, method: str, tag: str | None, status: int, slug: str
) -> None:
    order = await placed(client)
    json = {"status": "paid"} if method == "PATCH" else None
    headers = {"If-Match": tag} if tag else {}
    response = await client.request(method, order.headers["Location"], json=json, headers=headers)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}")
    assert (await client.get(order.headers["Location"])).json() == order.json()


async def test_a_known_version_is_not_sent_again(client: AsyncClient) -> None:
    order = await placed(client)
    path = order.headers["Location"]
    response = await client.get(path, headers={"If-None-Match": 'W/"1"'})
    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", '"1"')
    assert (await client.get(path, headers={"If-None-Match": '"2"'})).json() == order.json()


async def test_no_change_is_lost(committing_client: AsyncClient) -> None:
    """Of all who read an order and change it at once, one does; the others learn it, and change nothing."""
    order = await placed(committing_client)
    path, version = order.headers["Location"], order.headers["ETag"]
    for target, successor in [("paid", "shipped"), ("shipped", "delivered")]:
        responses = await asyncio.gather(
            *(
                committing_client.patch(path, json={"status": status}, headers={"If-Match": version})
                for status in [target] * 4 + ["cancelled"] * (target == "paid") * 4 + [successor] * 2
            )
        )
        statuses = Counter(response.status_code for response in responses)
        assert statuses[200] == 1
        assert set(statuses) <= {200, 409, 412}
        [won] = [response for response in responses if response.status_code == 200]
        assert (await committing_client.get(path)).json() == won.json()
        if won.json()["status"] == "cancelled":
            break
        version = won.headers["ETag"]


async def test_of_a_change_and_a_deletion_one_happens(committing_client: AsyncClient) -> None:
    order = await placed(committing_client)
    path, headers = order.headers["Location"], {"If-Match": order.headers["ETag"]}
    changed, deleted = await asyncio.gather(
        committing_client.patch(path, json={"status": "paid"}, headers=headers),
        committing_client.delete(path, headers=headers),
    )
    assert (changed.status_code, deleted.status_code) in {(200, 412), (404, 204)}


async def test_a_repeated_order_is_placed_once(committing_client: AsyncClient) -> None:
    new, headers = new_order(), {"Idempotency-Key": str(uuid4())}
    first = await committing_client.post(ORDERS, json=new, headers=headers)
    again = await committing_client.post(ORDERS, json=new, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert [again.headers[name] for name in ("Location", "ETag")] == [
        first.headers[name] for name in ("Location", "ETag")
    ]
    assert len((await committing_client.get(ORDERS)).json()["items"]) == 1


async def test_a_repeated_change_and_deletion_are_replayed(committing_client: AsyncClient) -> None:
    order = await placed(committing_client)
    path, version = order.headers["Location"], order.headers["ETag"]
    for method, json, status in [("PATCH", {"status": "paid"}, 200), ("DELETE", None, 204)]:
        headers = {"Idempotency-Key": str(uuid4()), "If-Match": version}
        first = await committing_client.request(method, path, json=json, headers=headers)
        again = await committing_client.request(method, path, json=json, headers=headers)
        assert (first.status_code, again.status_code, again.content) == (status, status, first.content)
        version = first.headers.get("ETag", "")
