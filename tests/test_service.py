"""A service made from the defaults, run by `make dev` and called over HTTP as a user does."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.measurements import Measure
from tests.services import call, free_address, press_ctrl_c, run, started, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]

# Not the reference that the README's calls place: the tests share one service, whose data is kept.
ORDER = {"reference": "B-2002", "amount": "12.50", "currency": "EUR"}


@pytest.fixture
def url(service: Path, machine: dict[str, str]) -> Iterator[str]:
    address = free_address()
    environment = machine | {"APP_SERVER__BIND": address}
    with started("make", "dev", cwd=service, environment=environment) as process:
        wait_for(f"http://{address}/readyz", process)
        yield f"http://{address}"
        assert "Traceback" not in press_ctrl_c(process)


def test_an_order_is_placed_paid_and_deleted(url: str) -> None:
    placed = call("POST", f"{url}/v1/orders", ORDER)
    assert (placed.status, placed.json["status"]) == (201, "placed")
    assert ORDER.items() <= placed.json.items()
    order = f"{url}{placed.headers['location']}"

    assert call("GET", order).json == placed.json
    assert call("GET", f"{url}/v1/orders").json["items"][0] == placed.json
    paid = call("PATCH", order, {"status": "paid"}, **{"If-Match": placed.headers["etag"]})
    assert paid.json["status"] == "paid"
    assert call("DELETE", order, **{"If-Match": placed.headers["etag"]}).status == 412
    assert call("DELETE", order, **{"If-Match": paid.headers["etag"]}).status == 204
    assert call("GET", order).status == 404


def test_what_goes_wrong_is_a_problem(url: str) -> None:
    assert problem("GET", f"{url}/nowhere") == (404, "/problems/not-found")
    assert problem("PUT", f"{url}/v1/orders") == (405, "/problems/method-not-allowed")
    assert problem("POST", f"{url}/v1/orders", b"{") == (400, "/problems/malformed-json")
    assert problem("POST", f"{url}/v1/orders", {**ORDER, "amount": 12.5}) == (
        422,
        "/problems/invalid-request",
    )
    assert problem("GET", f"{url}/v1/orders/00000000-0000-7000-8000-000000000000")[0] == 404


def problem(method: str, url: str, content: object = None) -> tuple[int, str]:
    answer = call(method, url, content, **{"X-Request-ID": "user-1"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json["request_id"] == "user-1"
    assert answer.json["status"] == answer.status
    return answer.status, answer.json["type"]


def test_the_docs_are_there(url: str) -> None:
    assert "<title>order-service - Swagger UI</title>" in call("GET", f"{url}/docs").body
    assert "/v1/orders/{order_id}" in call("GET", f"{url}/openapi.json").json["paths"]


def test_data_stays_for_the_next_start(service: Path, machine: dict[str, str]) -> None:
    answers = []
    for _ in range(2):
        address = free_address()
        with started(
            "make", "dev", cwd=service, environment=machine | {"APP_SERVER__BIND": address}
        ) as process:
            wait_for(f"http://{address}/readyz", process)
            answers.append(
                call("POST", f"http://{address}/v1/orders", {**ORDER, "reference": "stays"}).status
            )
            press_ctrl_c(process)
    assert answers == [201, 409]


def test_a_page_of_a_million_orders_reads_a_page_of_an_index(service: Path, machine: dict[str, str]) -> None:
    test = ["tests/orders/test_listing.py", "-k", "many_orders", "-p", "no:xdist"]
    said = run("uv", "run", "pytest", *test, cwd=service, environment=machine | {"TEST_ROWS": "1_000_000"})
    assert "1 passed" in said


def test_how_long_a_start_takes(service: Path, machine: dict[str, str], measure: Measure) -> None:
    address = free_address()
    _, _, port = address.rpartition(":")
    environment = machine | {"APP_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none"}
    command = [".venv/bin/python", "-m", "uvicorn", "--factory", "app.main:create_app", "--port", port]
    start = time.perf_counter()
    with started(*command, cwd=service, environment=environment) as process:
        wait_for(f"http://{address}/livez", process)
        measure("process start to first 200", time.perf_counter() - start)


def test_how_long_a_bake_takes(baker: Baker, tmp_path: Path, measure: Measure) -> None:
    command = ["cookiecutter", "--no-input", "--output-dir", str(tmp_path), str(baker.template)]
    start = time.perf_counter()
    done = baker.run(*command, cwd=tmp_path)
    measure("a bake without the lock", time.perf_counter() - start)

    assert done.returncode == 0, done.stdout
