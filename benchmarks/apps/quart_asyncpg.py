"""Quart and asyncpg. `hypercorn --worker-class uvloop quart_asyncpg:app`."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import sql
from quart import Quart, abort, request

app = Quart(__name__)


@app.while_serving
async def lifespan() -> AsyncIterator[None]:
    async with sql.pool() as app.database:
        yield


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/v1/orders/<uuid:order_id>")
async def get_order(order_id: UUID) -> dict[str, Any]:
    row = await app.database.fetchrow(sql.READ, order_id)
    if row is None:
        abort(404)
    return sql.shown(row)


@app.get("/v1/orders")
async def list_orders() -> dict[str, Any]:
    limit = request.args.get("limit", 20, type=int)
    return sql.page(await app.database.fetch(sql.PAGE, limit + 1), limit)


@app.post("/v1/orders")
async def place_order() -> tuple[dict[str, Any], int]:
    return sql.shown(await sql.insert(app.database, await request.get_json())), 201
