import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from httpx2 import ASGITransport, AsyncClient, Response
from starlette.types import ASGIApp, Message

from chassis import errors
from chassis.limits import BodySizeMiddleware, ConcurrencyMiddleware, DeadlineMiddleware, LifespanMiddleware


def application() -> FastAPI:
    app = FastAPI()
    errors.install(app)

    @app.get("/slow")
    @app.get("/livez")
    async def slow(seconds: float = 0) -> str:
        await asyncio.sleep(seconds)
        return "slow"

    @app.get("/stubborn")
    async def stubborn() -> str:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            return "an answer after all"
        return "never"

    @app.get("/failing")
    async def failing() -> None:
        raise TimeoutError

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for _ in range(3):
                yield "part "
                await asyncio.sleep(0.8)

        return StreamingResponse(parts())

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.post("/large", max_body_size=1000)
    async def large(request: Request) -> int:
        return len(await request.body())

    return app


@asynccontextmanager
async def calling(app: ASGIApp) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def slug(answer: Response) -> str:
    return str(answer.json()["type"]).removeprefix("/problems/")


@pytest.mark.parametrize("path", ["/slow?seconds=9", "/stubborn"])
async def test_the_deadline(path: str) -> None:
    async with calling(DeadlineMiddleware(application(), 0.05)) as client:
        answer = await client.get(path)
    assert (answer.status_code, slug(answer)) == (504, "deadline-exceeded")


async def test_a_timeout_of_the_application_is_not_the_deadline() -> None:
    async with calling(DeadlineMiddleware(application(), 5)) as client:
        assert (await client.get("/failing")).status_code == 500


async def test_a_body_that_does_not_come() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "query_string": b""}
    headers = [(b"content-length", b"5"), (b"content-type", b"text/plain")]
    await DeadlineMiddleware(application(), 0.05)({**scope, "headers": headers}, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_a_stream_outlives_the_deadline() -> None:
    async with calling(DeadlineMiddleware(application(), 1.5)) as client:
        assert (await client.get("/stream")).text == "part part part "


async def test_too_many_at_once() -> None:
    async with calling(ConcurrencyMiddleware(application(), 1)) as client:
        first = asyncio.create_task(client.get("/slow?seconds=60"))
        await asyncio.sleep(0.05)
        rejected, probe = await client.get("/slow"), await client.get("/livez")
        first.cancel()
        await asyncio.wait([first])
        after = await client.get("/slow")
    assert (rejected.status_code, slug(rejected), rejected.headers["Retry-After"]) == (503, "overloaded", "1")
    assert probe.status_code == 200
    assert after.status_code == 200


async def test_large_bodies() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 50

    async with calling(BodySizeMiddleware(application(), 100)) as client:
        assert (await client.post("/echo", content=b"x" * 100)).json() == 100
        for answer in (await client.post("/echo", content=b"x" * 101), await client.post("/echo", content=chunks())):
            assert (answer.status_code, slug(answer)) == (413, "content-too-large")
        assert (await client.post("/large", content=b"x" * 900)).json() == 900


async def test_a_large_body_that_http2_did_not_announce() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 101}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "http_version": "2", "method": "POST", "path": "/echo", "query_string": b"", "headers": []}
    await BodySizeMiddleware(application(), 100)(scope, receive, send)
    assert sent[0]["status"] == 413


async def test_a_server_without_lifespan() -> None:
    async with calling(LifespanMiddleware(application())) as client:
        answer = await client.get("/slow")
    assert (answer.status_code, slug(answer)) == (503, "no-lifespan")


async def test_a_websocket_without_lifespan() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await LifespanMiddleware(application())({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1011}]
