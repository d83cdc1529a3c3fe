"""Starlette and asyncpg. `uvicorn starlette_asyncpg:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sql
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
    async with sql.pool() as database:
        yield {"database": database}


async def livez(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def get_order(request: Request) -> JSONResponse:
    row = await request.state.database.fetchrow(sql.READ, request.path_params["order_id"])
    if row is None:
        raise HTTPException(404)
    return JSONResponse(sql.shown(row))


async def list_orders(request: Request) -> JSONResponse:
    limit = int(request.query_params.get("limit", 20))
    rows = await request.state.database.fetch(sql.PAGE, limit + 1)
    return JSONResponse(sql.page(rows, limit))


async def place_order(request: Request) -> JSONResponse:
    row = await sql.insert(request.state.database, await request.json())
    return JSONResponse(sql.shown(row), 201)


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/livez", livez),
        Route("/v1/orders", list_orders),
        Route("/v1/orders", place_order, methods=["POST"]),
        Route("/v1/orders/{order_id:uuid}", get_order),
    ],
)
