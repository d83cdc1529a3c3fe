"""The floor: an ASGI application without a framework, on an asyncpg pool. `uvicorn floor:app`."""

from typing import Any
from uuid import UUID

import orjson
import sql


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    database, path = scope["state"]["database"], scope["path"]
    if path == "/livez":
        await answer(send, 200, {"status": "ok"})
    elif path != "/v1/orders":
        row = await database.fetchrow(sql.READ, UUID(path.removeprefix("/v1/orders/")))
        await answer(send, 200, dict(row))
    elif scope["method"] == "POST":
        new = orjson.loads((await receive())["body"])
        await answer(send, 201, dict(await sql.insert(database, new)))
    else:
        rows = await database.fetch(sql.PAGE, 21)
        await answer(send, 200, {"items": [dict(row) for row in rows[:20]], "next_cursor": rows[19]["id"]})


async def answer(send: Any, status: int, content: object) -> None:
    body = orjson.dumps(content, default=str)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    async with sql.pool() as scope["state"]["database"]:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
