"""Structured logs: JSON lines for machines, readable lines on a terminal, one access line per request or WebSocket.

The request id comes from `X-Request-ID` if that is valid, and is generated otherwise. It is part of the response, of
every log line of the request, and of calls to other services.
"""

import asyncio
import logging
import re
import sys
import uuid
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Literal

import orjson
import structlog
from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor

from chassis.settings import SettingsGroup

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_VALID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")

_STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_SWITCHING_PROTOCOLS, _FORBIDDEN, _UNANSWERED = 101, 403, 500

log = structlog.stdlib.get_logger("chassis.access")


class LogSettings(SettingsGroup):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe level that is logged."""
    format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console` (for people), or `auto`: `console` on a terminal, otherwise `json`."""


def configure(settings: LogSettings) -> None:
    """Send the lines of structlog and the standard library (uvicorn, SQLAlchemy) to standard output in one format."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stdout.isatty())
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        _add_context,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, _render_json]
    )
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level)),
        logger_factory=structlog.WriteLoggerFactory() if console else structlog.BytesLoggerFactory(),
    )
    _adopt_standard_loggers(settings.level, shared, renderers if console else [*renderers, _decode])


def _adopt_standard_loggers(level: str, shared: list[Processor], renderers: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _drop_colours, *renderers],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.error.websocket"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
        logging.getLogger(name).addFilter(_is_fault)
    # We write the access line. Without a handler uvicorn does not format its own.
    logging.getLogger("uvicorn.access").handlers.clear()
    logging.getLogger("uvicorn.access").propagate = False
    # At INFO it logs each URL, and a query string can hold secrets.
    logging.getLogger("httpx2").setLevel(logging.WARNING)


def _is_fault(record: logging.LogRecord) -> bool:
    # The shutdown cancels requests that are late. uvicorn writes one line for all, and then a traceback for each.
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _drop_colours(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn's copy of the message, with escape codes.
    return event


def _add_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    if (current := request_id.get()) is not None:
        event["request_id"] = current
    span = get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = format_trace_id(span.trace_id)
        event["span_id"] = format_span_id(span.span_id)
    return event


def _render_json(_logger: Any, _method: str, event: EventDict) -> bytes:
    first = {"timestamp": event.pop("timestamp"), "level": event.pop("level"), "message": event.pop("event")}
    return orjson.dumps({**first, **event}, default=repr, option=orjson.OPT_NON_STR_KEYS)


def _decode(_logger: Any, _method: str, line: Any) -> str:
    return str(line, "utf-8")


class RequestLogMiddleware:
    """Sets the request id and writes the access line, without personal data: no path, query, address or user agent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = log.bind()  # Once: a lookup of the configuration for each line takes as long as writing it.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        identifier = _identifier(scope)
        # Not reset: each request has its own context, and the server logs errors after this call.
        request_id.set(identifier)
        started = perf_counter()
        status, size = 0, 0

        async def send_and_count(message: Message) -> None:
            nonlocal status, size
            if message["type"] in _STARTS:
                status = message.get("status", _SWITCHING_PROTOCOLS)
                message["headers"] = [*message.get("headers", []), (b"x-request-id", identifier.encode())]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            elif message["type"] == "websocket.close" and not status:
                status = _FORBIDDEN  # The server's response to a WebSocket that is closed before it is accepted.
            await send(message)

        try:
            await self.app(scope, receive, send_and_count)
        finally:
            self._write(scope, status or _UNANSWERED, size, perf_counter() - started)

    def _write(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        self.log.info(
            "request",
            method=scope.get("method", "WEBSOCKET"),
            route=getattr(scope.get("route"), "path", None),
            status=status,
            duration_ms=round(seconds * 1000, 3),
            bytes=size,
        )


def _identifier(scope: Scope) -> str:
    given: bytes = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _VALID.fullmatch(given) else uuid.uuid4().hex
