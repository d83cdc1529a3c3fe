"""An application for the tests of the server, with slow, blocking and streaming routes."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from starlette.middleware import Middleware

from chassis import errors
from chassis.database._pools import Database, ReadSession
from chassis.drain import CurrentDrain, Drain
from chassis.limits import (
    BodySizeMiddleware,
    ConcurrencyMiddleware,
    DeadlineMiddleware,
    LifespanMiddleware,
)
from chassis.logs import RequestLogMiddleware, configure
from example.settings import Settings


class State(TypedDict):
    drain: Drain
    database: Database


def fail_if_asked() -> None:
    """Fail while the file exists. Its content can be `kill 9`, to die of that signal, or `exit 1`."""
    if (broken := os.environ.get("BROKEN_WHEN_EXISTS")) and Path(broken).exists():
        how, _, number = Path(broken).read_text().partition(" ")
        if how == "kill":
            os.kill(os.getpid(), int(number))
        if how == "exit":
            os._exit(int(number))
        raise RuntimeError("the lifespan fails, as asked")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    fail_if_asked()
    async with Database.open(Settings.load().database) as database:
        yield {"drain": Drain(), "database": database}
    print("lifespan: closed", flush=True)  # noqa: T201 - The tests look for it in the log.


async def ticks() -> AsyncIterator[str]:
    while True:
        yield "data: tick\n\n"
        await asyncio.sleep(0.1)


def create_app() -> FastAPI:
    settings = Settings.load()
    configure(settings.log)
    server = settings.server
    middleware = [
        Middleware(RequestLogMiddleware),
        Middleware(LifespanMiddleware),
        Middleware(ConcurrencyMiddleware, server.max_concurrency),
        Middleware(DeadlineMiddleware, server.deadline),
        Middleware(BodySizeMiddleware, server.max_body_size),
    ]
    app = FastAPI(lifespan=lifespan, middleware=middleware)
    errors.install(app)
    add_requests(app)
    add_faults(app)
    add_streams(app)
    return app


def add_requests(app: FastAPI) -> None:
    @app.get("/livez")
    async def livez() -> str:
        return "ok"

    @app.get("/readyz")
    async def readyz(drain: CurrentDrain, response: Response) -> str:
        response.status_code = 503 if drain.stopping else 200
        return "stopping" if drain.stopping else "ok"

    @app.get("/slow")
    async def slow(seconds: float = 1) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            print("slow: cancelled", flush=True)  # noqa: T201
            raise
        print("slow: ended", flush=True)  # noqa: T201
        return "slow"

    @app.get("/query")
    async def query(session: ReadSession) -> None:
        for _ in range(20):  # Each within its statement timeout, together beyond any deadline.
            await session.execute(text("SELECT pg_sleep(0.5)"))

    @app.get("/scope")
    async def scope(request: Request) -> dict[str, Any]:
        return {
            "client": request.client.host if request.client else None,
            "scheme": request.url.scheme,
            "http_version": request.scope["http_version"],
            "tls": request.scope.get("extensions", {}).get("tls"),
        }

    @app.get("/large")
    async def large(size: int = 50_000) -> Response:
        await asyncio.sleep(0.05)
        return Response(bytes(size))

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())


def add_faults(app: FastAPI) -> None:
    @app.get("/blocking")
    async def blocking(seconds: float = 60) -> str:
        time.sleep(seconds)  # noqa: ASYNC251 - This mistake is the purpose of the route.
        return "blocked"


def add_streams(app: FastAPI) -> None:
    @app.get("/large")
    async def large() -> str:
        return "x" * 300_000

    @app.get("/events")
    async def events(drain: CurrentDrain) -> StreamingResponse:
        return StreamingResponse(drain.until_begun(ticks()), media_type="text/event-stream")

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        return StreamingResponse(ticks(), media_type="text/event-stream")

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, drain: CurrentDrain) -> None:
        await websocket.accept()
        async for message in drain.until_begun(websocket.iter_text()):
            await websocket.send_text(message)
        await websocket.close(1012)

    @app.websocket("/slow-socket")
    async def slow_socket(websocket: WebSocket) -> None:
        await asyncio.sleep(60)
        await websocket.accept()
