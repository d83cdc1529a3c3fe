"""FastAPI and asyncpg, and nothing else: what a service adds shows here. `uvicorn fastapi_alone:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import sql
from fastapi import FastAPI, HTTPException, Request
from orders import OrderCreate, OrderRead, Page
from uuid_utils.compat import uuid7


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with sql.pool() as database:
        yield {"database": database}


app = FastAPI(lifespan=lifespan)


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/v1/orders/{order_id}")
async def get_order(order_id: UUID, request: Request) -> OrderRead:
    row = await request.state.database.fetchrow(sql.READ, order_id)
    if row is None:
        raise HTTPException(404)
    return OrderRead(**row)


@app.get("/v1/orders")
async def list_orders(request: Request, limit: int = 20) -> Page:
    rows = await request.state.database.fetch(sql.PAGE, limit + 1)
    last = str(rows[limit - 1]["id"]) if len(rows) > limit else None
    return Page(items=[OrderRead(**row) for row in rows[:limit]], next_cursor=last)


@app.post("/v1/orders", status_code=201)
async def place_order(new: OrderCreate, request: Request) -> OrderRead:
    values = (uuid7(), new.reference, new.amount, new.currency)
    return OrderRead(**await request.state.database.fetchrow(sql.INSERT, *values))
