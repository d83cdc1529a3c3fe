"""Bounds on what one request may cost, as pure ASGI middleware. Each answers with a problem.

DeadlineMiddleware     504 when the work takes too long, 408 when the client's body does; streams are exempt
ConcurrencyMiddleware  503 with Retry-After when too many requests are at work at once; probes are exempt
BodySizeMiddleware     413, by Content-Length or as the bytes arrive
LifespanMiddleware     503 under a server that never ran the lifespan and so never opened a pool
"""

import asyncio
from contextvars import ContextVar
from http import HTTPStatus
from typing import NamedTuple

import structlog
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import problem_response

log = structlog.stdlib.get_logger("chassis.limits")

request_timeout: ContextVar[asyncio.Timeout | None] = ContextVar("request_timeout", default=None)
"""The current request's; its `when()` is the deadline in the loop's time, and None once the response has begun."""


class ProblemResponse(NamedTuple):
    """An ASGI application that answers with one problem."""

    status: HTTPStatus
    slug: str
    title: str
    headers: dict[str, str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem_response(
            status=self.status, slug=self.slug, title=self.title, headers=self.headers, request=Request(scope)
        )
        await response(scope, receive, send)


_PROBES = {"/livez", "/readyz"}
# Where the rest of a body is still on its way, the connection can have no next request.
_CLOSE = {"Connection": "close"}
DEADLINE_EXCEEDED = ProblemResponse(HTTPStatus.GATEWAY_TIMEOUT, "deadline-exceeded", "The request took too long")
BODY_LATE = ProblemResponse(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", "The body took too long", _CLOSE)
BODY_TOO_LARGE = ProblemResponse(HTTPStatus.CONTENT_TOO_LARGE, "content-too-large", "The body is too large", _CLOSE)
OVERLOADED = ProblemResponse(
    HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "Too many requests at once", {"Retry-After": "1"}
)
NO_LIFESPAN = ProblemResponse(HTTPStatus.SERVICE_UNAVAILABLE, "no-lifespan", "The server did not start the application")


class _Exchange:
    """One request's messages, watched as they pass."""

    def __init__(self, receive: Receive, send: Send, timeout: asyncio.Timeout) -> None:
        self._receive, self._send, self._timeout = receive, send, timeout
        self.body_received = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.body_received = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self._timeout.expired():
            return  # It has caught its cancellation and answers after all; the client gets the deadline's answer.
        self._timeout.reschedule(None)  # A response that has begun may take as long as it likes.
        await self._send(message)


class DeadlineMiddleware:
    """Cancel what takes longer than `deadline` seconds until its response starts, its query too.

    A handler without `async` runs in a thread, which nothing can cancel: its client waits for the thread.
    """

    def __init__(self, app: ASGIApp, deadline: float) -> None:
        self.app = app
        self.deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        timeout = asyncio.timeout(self.deadline)
        request_timeout.set(timeout)
        exchange = _Exchange(receive, send, timeout)
        try:
            async with timeout:
                await self.app(scope, exchange.receive, exchange.send)
        except TimeoutError:
            if not timeout.expired():
                raise
        if timeout.expired():
            late = DEADLINE_EXCEEDED if exchange.body_received or not _has_body(scope) else BODY_LATE
            await late(scope, receive, send)


class ConcurrencyMiddleware:
    """Refuse a request while `limit` others are at work, each until the end of its response.

    The probes are exempt: a full process is alive, and must be able to say so.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit
        self.at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self.app(scope, receive, send)
        elif self.at_work >= self.limit:
            await OVERLOADED(scope, receive, send)
        else:
            self.at_work += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.at_work -= 1


class BodySizeMiddleware:
    """Starlette's limit, which a route can set for itself, with its plain 413 turned into a problem."""

    def __init__(self, app: ASGIApp, max_body_size: int) -> None:
        self.app = app
        self.limited = RequestBodyLimitMiddleware(app, max_body_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # HTTP/1.1 announces a body, and most requests have none; HTTP/2 need not say.
        if scope["type"] != "http" or (scope["http_version"] in {"1.0", "1.1"} and not _has_body(scope)):
            await self.app(scope, receive, send)
            return
        refused = False

        async def send_problem(message: Message) -> None:
            nonlocal refused
            if message.get("status") == BODY_TOO_LARGE.status:
                refused = True
                await BODY_TOO_LARGE(scope, receive, send)
            elif not refused:
                await send(message)

        await self.limited(scope, receive, send_problem)


class LifespanMiddleware:
    """Refuse to half-work: without the lifespan there are no pools on `request.state`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("state"):
            await self.app(scope, receive, send)
            return
        log.error("this server did not run the ASGI lifespan: use uvicorn, gunicorn or hypercorn")
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1011})
        else:
            await NO_LIFESPAN(scope, receive, send)


def _has_body(scope: Scope) -> bool:
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
