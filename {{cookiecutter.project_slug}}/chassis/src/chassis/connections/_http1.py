"""uvicorn's HTTP/1.1 and WebSocket protocols, with limits on a request's head and the client certificate in the scope.

Private API: `LimitedProtocol` overrides the callbacks of `HttpToolsProtocol`, reads its `client`, `cycle`, `headers`,
    `loop`, `parser`, `scope`, `transport` and `url`, and reads and changes its `RequestResponseCycle`.
    `TLSWebSocketProtocol` changes `app` and `client` of `WebSocketsSansIOProtocol`.
Why: uvicorn accepts a head of any size, waits for it forever, and accepts several Host headers. It has no settings.
Checked by: tests/server/test_library_api.py (names) and tests/server/test_limits.py (behaviour).
"""

import asyncio
from http import HTTPStatus
from typing import override

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chassis.connections._client_certificate import tls_extension, with_tls_extension
from chassis.connections._raw_problem import raw_problem
from chassis.connections._settings import ConnectionSettings

_UNIX = ("unix", 0)  # The peer of a Unix socket has no address. `trusted_proxies` calls it `unix`.


class BadHead(Exception):
    """Raised in a callback of the parser, which turns it into its own error. uvicorn then calls `send_400_response`."""


class LimitedProtocol(HttpToolsProtocol):
    settings: ConnectionSettings
    """Set by `limited`."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        super().connection_made(transport)
        self.client = self.client or _UNIX
        self.tls = tls_extension(transport)
        self.bad_head_status = HTTPStatus.BAD_REQUEST
        self.in_head = self.rejected = False
        self.head_size = self.chunk_size = self.first_chunk_size = 0
        self.head_timer: asyncio.TimerHandle | None = None
        self._start_head_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self.rejected:
            return
        self.chunk_size = len(data)
        if self.in_head:
            self.head_size += self.chunk_size
        super().data_received(data)
        if self.in_head:
            self._start_head_timer()
            if self.head_size > self.settings.max_head_size:
                self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif not self._has_active_request() and self.transport.get_protocol() is self:  # Not after a WebSocket upgrade.
            # Between requests, or while the client still sends a body that nobody reads. uvicorn has stopped its timer.
            self._start_head_timer()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        # The chunk in which a head begins can also hold the end of the message before.
        self.in_head, self.head_size, self.first_chunk_size = True, 0, self.chunk_size
        if self.tls:
            self.scope["extensions"] = {"tls": self.tls}

    @override
    def on_headers_complete(self) -> None:
        self.in_head = False
        self._stop_head_timer()
        if len(self.headers) > self.settings.max_headers or self._head_is_too_large():
            self.bad_head_status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise BadHead
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            raise BadHead  # RFC 9112, 3.2: a proxy and this server could read different hosts.
        super().on_headers_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        self._reject(self.bad_head_status)

    def _head_is_too_large(self) -> bool:
        if self.head_size + self.first_chunk_size <= self.settings.max_head_size:
            return False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > self.settings.max_head_size

    def _has_active_request(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _start_head_timer(self) -> None:
        if self.head_timer is None and not self.transport.is_closing():
            self.head_timer = self.loop.call_later(self.settings.head_timeout, self._on_head_timeout)

    def _stop_head_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _on_head_timeout(self) -> None:
        if self.in_head:
            self._reject(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _reject(self, status: HTTPStatus) -> None:
        self.rejected = True
        self._stop_head_timer()
        if self._has_active_request() and not self.cycle.more_body:
            self.cycle.keep_alive = False  # The response to an earlier request comes first, and closes the connection.
            return
        if not (self._has_active_request() and self.cycle.response_started):
            self.transport.write(raw_problem(status))
        self.transport.close()


class TLSWebSocketProtocol(WebSocketsSansIOProtocol):
    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.client = self.client or _UNIX
        self.app = with_tls_extension(self.app, transport)


def limited(settings: ConnectionSettings) -> type[LimitedProtocol]:
    """Return a class with these settings: uvicorn creates the protocols, and passes only its own configuration."""
    return type("Protocol", (LimitedProtocol,), {"settings": settings})
