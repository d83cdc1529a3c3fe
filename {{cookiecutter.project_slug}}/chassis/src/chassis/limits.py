"""Limits for requests, as pure ASGI middleware. Each responds with a problem.

DeadlineMiddleware     504 if the response does not start in time, 408 if the client's body is late
ConcurrencyMiddleware  503 with Retry-After if too many requests and WebSockets are active; probes are exempt
BodySizeMiddleware     413, by Content-Length or while the body arrives
LifespanMiddleware     503 under a server that does not run the lifespan, and so opens no pools
"""

import asyncio
from contextvars import ContextVar
from http import HTTPStatus
from typing import NamedTuple

import structlog
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import problem_response

log = structlog.stdlib.get_logger("chassis.limits")

request_timeout: ContextVar[asyncio.Timeout | None] = ContextVar("request_timeout", default=None)
"""The current request's. `when()` is its deadline, a time of the event loop, or None after the response has started."""


class ProblemResponse(NamedTuple):
    """An ASGI application that responds with one problem."""

    status: HTTPStatus
    slug: str
    title: str
    headers: dict[str, str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem_response(
            status=self.status, slug=self.slug, title=self.title, headers=self.headers, request=HTTPConnection(scope)
        )
        await response(scope, receive, send)


_PROBES = {"/livez", "/readyz"}
# The connection cannot be reused: the rest of the body may still be on its way.
_CLOSE = {"Connection": "close"}
DEADLINE_EXCEEDED = ProblemResponse(HTTPStatus.GATEWAY_TIMEOUT, "deadline-exceeded", "The request took too long")
BODY_LATE = ProblemResponse(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", "The request body took too long", _CLOSE)
BODY_TOO_LARGE = ProblemResponse(
    HTTPStatus.CONTENT_TOO_LARGE, "content-too-large", "The request body is too large", _CLOSE
)
OVERLOADED = ProblemResponse(
    HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "Too many concurrent requests", {"Retry-After": "1"}
)
NO_LIFESPAN = ProblemResponse(HTTPStatus.SERVICE_UNAVAILABLE, "no-lifespan", "The server did not run the ASGI lifespan")


class _Exchange:
    """Observes the messages of one request."""

    def __init__(self, receive: Receive, send: Send, timeout: asyncio.Timeout) -> None:
        self._receive, self._send, self._timeout = receive, send, timeout
        self.body_received = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.body_received = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self._timeout.expired():
            return  # The application caught its cancellation and responds late. The client gets the 504.
        self._timeout.reschedule(None)  # Once it has started, a response has no deadline.
        await self._send(message)


class DeadlineMiddleware:
    """Cancel a request, and its database query, if its response does not start within `deadline` seconds.

    For a WebSocket this is the time until it is accepted or rejected.
    A handler without `async` runs in a thread, which cannot be cancelled: its client waits for the thread.
    """

    def __init__(self, app: ASGIApp, deadline: float) -> None:
        self.app = app
        self.deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
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
    """Reject a request while `limit` others are active. It is active until the end of its response or WebSocket.

    Probes are exempt: a process at its limit is alive.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit
        self.active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in _PROBES:
            await self.app(scope, receive, send)
        elif self.active >= self.limit:
            await OVERLOADED(scope, receive, send)
        else:
            self.active += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.active -= 1


class BodySizeMiddleware:
    """Starlette's limit, which a route can change for itself. Its plain 413 becomes a problem."""

    def __init__(self, app: ASGIApp, max_body_size: int) -> None:
        self.app = app
        self.limited = RequestBodyLimitMiddleware(app, max_body_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # In HTTP/1.1 a header announces a body, and most requests have none. HTTP/2 needs no header.
        if scope["type"] != "http" or (scope["http_version"] in {"1.0", "1.1"} and not _has_body(scope)):
            await self.app(scope, receive, send)
            return
        rejected = False

        async def send_problem(message: Message) -> None:
            nonlocal rejected
            if message.get("status") == BODY_TOO_LARGE.status:
                rejected = True
                await BODY_TOO_LARGE(scope, receive, send)
            elif not rejected:
                await send(message)

        await self.limited(scope, receive, send_problem)


class LifespanMiddleware:
    """Reject all requests if the lifespan did not run: then there are no pools on `request.state`."""

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
