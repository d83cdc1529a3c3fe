"""The life of an order, through HTTP."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient

from tests.factories import new_order

ORDERS = "/v1/orders"
ANY = {"If-Match": "*"}


async def placed(client: AsyncClient, **values: Any) -> dict[str, Any]:
    response = await client.post(ORDERS, json=new_order(**values))
    assert response.status_code == 201, response.text
    order: dict[str, Any] = response.json()
    return order


async def moved(client: AsyncClient, order: dict[str, Any], *statuses: str) -> dict[str, Any]:
    for status in statuses:
        response = await client.patch(f"{ORDERS}/{order['id']}", json={"status": status}, headers=ANY)
        assert response.status_code == 200, response.text
        order = response.json()
    return order


async def test_a_placed_order_can_be_got_where_the_location_says(client: AsyncClient) -> None:
    new = new_order(amount="12.5")
    response = await client.post(ORDERS, json=new)
    assert response.status_code == 201
    order = response.json()
    assert order == new | {
        "amount": "12.50",
        "id": order["id"],
        "status": "placed",
        "created_at": order["created_at"],
        "updated_at": order["created_at"],
    }
    assert UUID(order["id"]).version == 7
    assert (await client.get(response.headers["Location"])).json() == order


async def test_a_taken_reference_is_rejected(client: AsyncClient) -> None:
    new = new_order()
    await client.post(ORDERS, json=new)
    response = await client.post(ORDERS, json=new)
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/order-exists"
    assert new["reference"] in response.json()["detail"]


async def test_of_many_equal_references_at_once_one_wins(committing_client: AsyncClient) -> None:
    new = new_order()
    responses = await asyncio.gather(*(committing_client.post(ORDERS, json=new) for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 9
    assert len((await committing_client.get(ORDERS)).json()["items"]) == 1


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_order_is_not_found(client: AsyncClient, method: str) -> None:
    json = {"status": "paid"} if method == "PATCH" else None
    response = await client.request(method, f"{ORDERS}/{uuid4()}", json=json, headers=ANY)
    assert response.status_code == 404
    assert response.json()["type"] == "/problems/order-not-found"


async def test_an_order_passes_all_states(client: AsyncClient) -> None:
    order = await placed(client)
    delivered = await moved(client, order, "paid", "shipped", "delivered")
    assert delivered["status"] == "delivered"


@pytest.mark.parametrize(
    ("way", "illegal"),
    [
        ([], "placed"),
        ([], "shipped"),
        ([], "delivered"),
        (["paid"], "placed"),
        (["paid"], "delivered"),
        (["paid", "shipped"], "cancelled"),
        (["paid", "shipped", "delivered"], "cancelled"),
        (["cancelled"], "paid"),
    ],
)
async def test_an_illegal_transition_changes_nothing(client: AsyncClient, way: list[str], illegal: str) -> None:
    order = await moved(client, await placed(client), *way)
    response = await client.patch(f"{ORDERS}/{order['id']}", json={"status": illegal}, headers=ANY)
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/illegal-transition"
    assert (await client.get(f"{ORDERS}/{order['id']}")).json() == order


async def test_of_two_changes_at_once_the_second_sees_the_first(committing_client: AsyncClient) -> None:
    order = await placed(committing_client)
    path = f"{ORDERS}/{order['id']}"
    responses = await asyncio.gather(
        *(committing_client.patch(path, json={"status": "paid"}, headers=ANY) for _ in range(5))
    )
    assert sorted(response.status_code for response in responses) == [200, 409, 409, 409, 409]


async def test_a_change_moves_the_time_of_the_update(committing_client: AsyncClient) -> None:
    order = await placed(committing_client)
    paid = await moved(committing_client, order, "paid")
    assert paid["created_at"] == order["created_at"]
    assert paid["updated_at"] > order["updated_at"]


async def test_a_deleted_order_is_gone_and_its_reference_free(client: AsyncClient) -> None:
    new = new_order()
    order = (await client.post(ORDERS, json=new)).json()
    response = await client.delete(f"{ORDERS}/{order['id']}", headers=ANY)
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get(f"{ORDERS}/{order['id']}")).status_code == 404
    assert (await client.post(ORDERS, json=new)).status_code == 201


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"reference": ""}, "/body/reference"),
        ({"reference": "a" * 65}, "/body/reference"),
        ({"reference": "a\x00b"}, "/body/reference"),
        ({"reference": None}, "/body/reference"),
        ({"amount": "-1"}, "/body/amount"),
        ({"amount": "1e3"}, "/body/amount"),
        ({"amount": "NaN"}, "/body/amount"),
        ({"amount": 12.5}, "/body/amount"),
        ({"amount": "1" * 16}, "/body/amount"),
        ({"amount": "١٢"}, "/body/amount"),
        ({"amount": "12.345"}, "/body"),
        ({"amount": "1.5", "currency": "JPY"}, "/body"),
        ({"currency": "EURO"}, "/body/currency"),
        ({"currency": "XAU"}, "/body/currency"),
        ({"currency": ["EUR"]}, "/body/currency"),
        ({"status": "paid"}, "/body/status"),
    ],
)
async def test_an_invalid_order_is_rejected_with_a_pointer(
    client: AsyncClient, values: dict[str, Any], pointer: str
) -> None:
    response = await client.post(ORDERS, json=new_order(**values))
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("amount", "currency", "kept"),
    [("0", "EUR", "0.00"), ("1000", "JPY", "1000"), ("1.5", "KWD", "1.500"), ("999999999999999.9999", "CLF", None)],
)
async def test_amounts_keep_the_decimals_of_their_currency(
    client: AsyncClient, amount: str, currency: str, kept: str | None
) -> None:
    order = await placed(client, amount=amount, currency=currency)
    assert order["amount"] == (kept or amount)
    assert (await client.get(f"{ORDERS}/{order['id']}")).json()["amount"] == order["amount"]
