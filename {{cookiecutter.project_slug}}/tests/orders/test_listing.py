"""Pages of orders: complete, stable while orders arrive, and as cheap at the end of a large table as at its start."""

import os
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from chassis.database import Database
from httpx2 import AsyncClient
from sqlalchemy import text

from app.lifespan import State
from tests.factories import new_order

ORDERS = "/v1/orders"
# Enough for the plan to be that of a large table. TEST_ROWS=1_000_000 takes some seconds more.
ROWS = int(os.environ.get("TEST_ROWS", "100_000"))


async def place(client: AsyncClient, count: int) -> list[str]:
    """Place orders and return their ids, the newest first."""
    responses = [await client.post(ORDERS, json=new_order()) for _ in range(count)]
    return [response.json()["id"] for response in reversed(responses)]


async def walk(client: AsyncClient, **params: Any) -> list[list[str]]:
    """Follow the cursors and return the ids of each page."""
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        asked = params | ({"cursor": cursor} if cursor else {})
        page = (await client.get(ORDERS, params=asked)).json()
        pages.append([order["id"] for order in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages


async def test_there_is_nothing_to_list(client: AsyncClient) -> None:
    assert (await client.get(ORDERS)).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 6), (4, [4, 2]), (3, [3, 3]), (6, [6]), (100, [6])])
async def test_pages_are_complete_and_in_order(client: AsyncClient, limit: int, sizes: list[int]) -> None:
    ids = await place(client, 6)
    pages = await walk(client, limit=limit)
    assert [len(page) for page in pages] == sizes
    assert [each for page in pages for each in page] == ids


async def test_orders_that_arrive_meanwhile_neither_repeat_nor_shift_a_page(client: AsyncClient) -> None:
    ids = await place(client, 4)
    first = (await client.get(ORDERS, params={"limit": 2})).json()
    await place(client, 3)
    second = (await client.get(ORDERS, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [order["id"] for order in first["items"] + second["items"]] == ids


async def test_postgresqls_clock_orders_the_list(client: AsyncClient, database: Database) -> None:
    """No worker's clock has a part in it: an order that another program inserts stands where it belongs."""
    [first] = await place(client, 1)
    insert = "INSERT INTO orders (reference, amount, currency, status, version) VALUES ('X-1', 1, 'EUR', 'placed', 1)"
    async with database.transaction() as session:
        await session.execute(text(insert))
    [last] = await place(client, 1)

    listed = (await client.get(ORDERS)).json()["items"]

    assert [order["id"] for order in listed][::2] == [last, first]
    assert listed[1]["reference"] == "X-1"
    for order in listed:
        made = (UUID(order["id"]).int >> 80) / 1000
        assert abs(made - datetime.fromisoformat(order["created_at"]).timestamp()) < 1


async def test_the_list_filters_by_status(client: AsyncClient) -> None:
    ids = await place(client, 5)
    for each in ids[::2]:
        await client.patch(f"{ORDERS}/{each}", json={"status": "paid"}, headers={"If-Match": "*"})
    assert await walk(client, status="paid", limit=2) == [[ids[0], ids[2]], [ids[4]]]
    assert await walk(client, status="placed") == [[ids[1], ids[3]]]
    assert await walk(client, status="cancelled") == [[]]


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"cursor": ""}, {"cursor": "A" * 21}, {"status": "lost"}]
    + [{"cursor": cursor} for cursor in ("A" * 21 + "B", "A" * 21 + "\n", "' OR 1=1 --", "\x00" * 22)],
)
async def test_wrong_parameters_are_rejected(client: AsyncClient, params: dict[str, Any]) -> None:
    response = await client.get(ORDERS, params=params)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [f"/query/{next(iter(params))}"]


async def test_a_page_of_many_orders_reads_a_page_of_an_index(committed: State) -> None:
    """EXPLAIN counts what PostgreSQL touches, which no load on this machine changes."""
    async with committed["database"].engine.connect() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(text("ALTER TABLE orders DROP CONSTRAINT uq_orders_reference"))  # Until the rollback.
        await connection.execute(text(_FILL), {"rows": ROWS})
        await connection.execute(text("ANALYZE orders"))
        for where in ("", "AND status = 'paid'"):
            for share in (0.01, 0.5, 0.99):
                before = await connection.scalar(text(_AT), {"offset": int(ROWS * share)})
                [plan] = await connection.scalar(text(_EXPLAIN.format(where=where)), {"before": before})
                nodes = [plan["Plan"], *plan["Plan"]["Plans"]]
                assert not {node["Node Type"] for node in nodes} & {"Seq Scan", "Sort"}, plan
                assert nodes[0]["Shared Hit Blocks"] + nodes[0]["Shared Read Blocks"] < 200, plan
        await connection.rollback()


_FILL = """
    INSERT INTO orders (id, reference, amount, currency, version, status)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'R-' || n, n, 'EUR', 1, CASE n % 4 WHEN 0 THEN 'paid' ELSE 'placed' END
    FROM generate_series(1, :rows) AS n
"""
_AT = "SELECT id FROM orders ORDER BY id DESC OFFSET :offset LIMIT 1"
_EXPLAIN = """
    EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
    SELECT * FROM orders WHERE id < :before {where} ORDER BY id DESC LIMIT 21
"""
