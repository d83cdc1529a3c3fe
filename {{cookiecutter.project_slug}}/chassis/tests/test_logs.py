"""What the log contains, and what it must not contain."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from httpx2 import ASGITransport, AsyncClient
from opentelemetry.sdk.trace import TracerProvider
from starlette.testclient import TestClient

from chassis import errors, logs
from chassis.logs import LogSettings, RequestLogMiddleware

Captured = pytest.CaptureFixture[str]


def an_app(**options: Any) -> FastAPI:
    app = FastAPI(**options)
    errors.install(app)
    app.add_middleware(RequestLogMiddleware)

    @app.get("/hello/{name}")
    async def hello(name: str) -> str:
        structlog.get_logger().info("greeting", length=len(name))
        return "hello"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"12345"

        return StreamingResponse(chunks())

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("oh")

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(logs.request_id.get()))
        await websocket.close()

    return app


def client_of(app: FastAPI) -> AsyncClient:
    transport = ASGITransport(app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://test")


def lines(captured: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


@pytest.fixture
def client() -> AsyncClient:
    logs.configure(LogSettings(format="json"))
    return client_of(an_app())


async def test_one_access_line_for_each_request(client: AsyncClient, capsys: Captured) -> None:
    answer = await client.get("/hello/ada", params={"token": "hunter2"}, headers={"X-Request-ID": "abc-1"})
    greeting, access = lines(capsys)
    assert answer.headers["X-Request-ID"] == greeting["request_id"] == access["request_id"] == "abc-1"
    assert access["duration_ms"] > 0
    assert {key: access[key] for key in access if key not in ("timestamp", "duration_ms")} == {
        "level": "info",
        "message": "request",
        "method": "GET",
        "route": "/hello/{name}",
        "status": 200,
        "bytes": len(answer.content),
        "request_id": "abc-1",
    }


async def test_bytes_are_counted_to_the_end_of_a_stream(client: AsyncClient, capsys: Captured) -> None:
    await client.get("/stream")
    assert lines(capsys)[-1]["bytes"] == 15


async def test_an_unknown_path_is_not_logged(client: AsyncClient, capsys: Captured) -> None:
    await client.get("/people/lovelace@example.org")
    [access] = lines(capsys)
    assert (access["status"], access["route"]) == (404, None)
    assert "lovelace" not in json.dumps(access)


async def test_an_unexpected_error_is_a_500_in_the_log_too(client: AsyncClient, capsys: Captured) -> None:
    await client.get("/fail")
    assert lines(capsys)[-1]["status"] == 500


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "x" * 129, "ünïcode", "${jndi:x}", "a\tb"])
async def test_a_request_id_that_is_invalid_is_replaced(client: AsyncClient, given: str) -> None:
    answer = await client.get("/hello/ada", headers={b"X-Request-ID": given.encode()})
    assert answer.headers["X-Request-ID"] != given
    assert len(answer.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("given", ["x", "x" * 128, "1-67891233-abcdef012345678912345678", "Root=1-2:3/4_5.6+7"])
async def test_a_valid_request_id_is_kept(client: AsyncClient, given: str) -> None:
    assert (await client.get("/hello/ada", headers={"X-Request-ID": given})).headers["X-Request-ID"] == given


def test_a_websocket_has_a_request_id_too() -> None:
    with TestClient(an_app()).websocket_connect("/echo", headers={"X-Request-ID": "w-1"}) as socket:
        assert socket.receive_text() == "w-1"


async def test_the_line_has_the_trace(capsys: Captured) -> None:
    logs.configure(LogSettings(format="json"))
    app = an_app(telemetry={"tracer_provider": TracerProvider()})
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await client_of(app).get("/hello/ada", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert [(line["trace_id"], len(line["span_id"])) for line in lines(capsys)] == [(trace, 16)] * 2


@pytest.mark.parametrize("name", ["uvicorn.error", "sqlalchemy.engine", "some.library"])
def test_standard_loggers_come_out_in_the_same_form(name: str, capsys: Captured) -> None:
    logs.configure(LogSettings(format="json"))
    logging.getLogger(name).warning("%d things", 3, extra={"color_message": "\x1b[1mthings", "extra": 1})
    [line] = lines(capsys)
    del line["timestamp"]
    assert line == {"level": "warning", "message": "3 things", "logger": name, "extra": 1}


def test_a_traceback_is_one_line_without_local_variables(capsys: Captured) -> None:
    logs.configure(LogSettings(format="json"))
    secret = "hunter" + "2"
    try:
        int("x" * len(secret))
    except ValueError:
        logging.getLogger("uvicorn.error").exception("failed")
    [line] = lines(capsys)
    assert "ValueError: invalid literal" in line["exception"]
    assert secret not in json.dumps(line)


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.error.websocket"])
def test_a_request_that_the_shutdown_cancels_has_no_traceback(name: str, capsys: Captured) -> None:
    logs.configure(LogSettings(format="json"))
    logger = logging.getLogger(name)

    for error in (asyncio.CancelledError(), ValueError("a fault")):
        logger.error("Exception in ASGI application", exc_info=error)

    [line] = lines(capsys)
    assert "a fault" in line["exception"]


def test_urls_of_outbound_calls_and_uvicorns_own_access_lines_are_left_out(capsys: Captured) -> None:
    logs.configure(LogSettings(format="json"))
    logging.getLogger("httpx2").info("HTTP Request: GET https://example.org/?token=hunter2")
    assert not logging.getLogger("uvicorn.access").hasHandlers()
    assert lines(capsys) == []


def test_the_level_is_a_setting(capsys: Captured) -> None:
    logs.configure(LogSettings(format="json", level="ERROR"))
    structlog.get_logger().warning("left out")
    logging.getLogger("some.library").warning("left out")
    structlog.get_logger().error("written")
    assert [line["message"] for line in lines(capsys)] == ["written"]


def test_readable_lines_on_a_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    logs.configure(LogSettings())
    structlog.get_logger().info("hello", answer=42)
    logging.getLogger("uvicorn.error").info("started")
    hello, started = capsys.readouterr().out.splitlines()
    assert "hello" in hello
    assert "answer" in hello
    assert "started" in started
    assert not hello.startswith("{")


def test_json_lines_where_there_is_no_terminal(capsys: Captured) -> None:
    logs.configure(LogSettings())
    structlog.get_logger().info("hello", answer=42, odd={1: object})
    [line] = lines(capsys)
    assert list(line)[:3] == ["timestamp", "level", "message"]
