"""aiohttp's server and asyncpg, on uvloop. `python aiohttp_asyncpg.py PORT`."""

import sys
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import sql
import uvloop
from aiohttp import web

DATABASE = web.AppKey("database", asyncpg.Pool)
routes = web.RouteTableDef()


@routes.get("/livez")
async def livez(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


@routes.get("/v1/orders/{order_id}")
async def get_order(request: web.Request) -> web.Response:
    row = await request.app[DATABASE].fetchrow(sql.READ, UUID(request.match_info["order_id"]))
    if row is None:
        raise web.HTTPNotFound
    return web.json_response(sql.shown(row))


@routes.get("/v1/orders")
async def list_orders(request: web.Request) -> web.Response:
    limit = int(request.query.get("limit", "20"))
    return web.json_response(sql.page(await request.app[DATABASE].fetch(sql.PAGE, limit + 1), limit))


@routes.post("/v1/orders")
async def place_order(request: web.Request) -> web.Response:
    row = await sql.insert(request.app[DATABASE], await request.json())
    return web.json_response(sql.shown(row), status=201)


async def database(app: web.Application) -> AsyncIterator[None]:
    async with sql.pool() as app[DATABASE]:
        yield


def main() -> None:
    app = web.Application()
    app.add_routes(routes)
    app.cleanup_ctx.append(database)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        loop=uvloop.new_event_loop(),
        print=None,
    )


if __name__ == "__main__":
    main()
