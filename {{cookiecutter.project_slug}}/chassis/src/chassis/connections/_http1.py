"""uvicorn's HTTP/1.1 protocol, with a limit on each phase of a connection and the client certificate in the scope.

Private API: `LimitedProtocol` overrides the callbacks of `HttpToolsProtocol` and its `_start_asgi_task`, calls its
    `_should_upgrade`, reads its `client`, `connections`, `cycle`, `flow`, `headers`, `loop`, `parser`, `pipeline`,
    `scope`, `transport` and `url`, and reads and changes its `RequestResponseCycle`. `PipelineFlow` overrides
    `resume_reading` of `FlowControl`.
Why: uvicorn accepts a head, trailers and a pipeline of any size, waits for them forever, accepts several Host headers,
    and loses the request before a WebSocket upgrade. It has no settings.
Checked by: tests/server/test_library_api.py (names), tests/server/test_limits.py and
    tests/server/test_connections.py (behaviour).
"""

import asyncio
from http import HTTPStatus
from typing import Any, override

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chassis.connections._client_certificate import tls_extension
from chassis.connections._raw_problem import raw_problem
from chassis.connections._settings import ConnectionSettings
from chassis.connections._total import makes_room

UNIX = ("unix", 0)  # The peer of a Unix socket has no address. `trusted_proxies` calls it `unix`.
UPGRADE_TIMEOUT = 5.0  # Seconds for responses that an upgrade should have waited for. Then the connection closes.


class BadHead(Exception):
    """Raised in a callback of the parser, which turns it into its own error. uvicorn then calls `send_400_response`."""


class Trailers(list[tuple[bytes, bytes]]):
    """Takes the place of a request's headers after its head. Otherwise uvicorn would add trailers to the headers."""

    @override
    def append(self, _field: tuple[bytes, bytes]) -> None:
        pass


_TRAILERS = Trailers()


class PipelineFlow(FlowControl):
    """Reads nothing while requests wait in the pipeline. uvicorn resumes after each response."""

    def __init__(self, protocol: "LimitedProtocol") -> None:
        super().__init__(protocol.transport)
        self.protocol = protocol

    @override
    def resume_reading(self) -> None:
        if not self.read_paused or self.protocol.pipeline or self.protocol.rejected:
            return
        if not self.protocol.transport.is_closing():  # uvloop raises a RuntimeError then.
            super().resume_reading()
            if self.protocol.in_head:
                self.protocol.start_head_timer()


class LimitedProtocol(HttpToolsProtocol):
    settings: ConnectionSettings
    """Set by `limited`."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        super().connection_made(transport)
        self.flow = PipelineFlow(self)
        self.client = self.client or UNIX
        self.tls = tls_extension(transport)
        self.bad_head_status = HTTPStatus.BAD_REQUEST
        self.in_head = self.rejected = False
        self.received = self.chunk_size = self.first_chunk_size = 0
        self.head_timer: asyncio.TimerHandle | None = None
        self.active: RequestResponseCycle | None = None
        self.began: float | None = None
        if makes_room(self.connections, self.settings):
            self.began = self.loop.time()
            self.start_head_timer()
        else:
            self._reject(HTTPStatus.SERVICE_UNAVAILABLE)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        if self.active and not self.active.response_complete:
            # uvicorn tells only the last request of a pipeline, and the first would wait for its client forever.
            self.active.disconnected = True
            self.active.message_event.set()
        super().connection_lost(exc)

    @override
    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn closes the connection before it has responded.
        waiting = self._has_active_request() and not self.cycle.more_body and not self.cycle.response_started
        if waiting:
            self.cycle.keep_alive = False
        return waiting and self.scheme == "http"  # asyncio cannot keep a TLS connection half open.

    @override
    def data_received(self, data: bytes) -> None:
        if self.rejected:
            return
        self.chunk_size = len(data)
        self.received += self.chunk_size
        super().data_received(data)
        too_large = self.received > self.settings.max_head_size
        if self.in_head:
            self.start_head_timer()
            if too_large:
                self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif too_large and self._has_open_body():  # Trailers, or the extensions of a chunk.
            self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif not self._has_active_request() and self.transport.get_protocol() is self:  # Not after a WebSocket upgrade.
            # Between requests, or while the client still sends a body that nobody reads. uvicorn has stopped its timer.
            self.start_head_timer()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        # The chunk in which a head begins can also hold the end of the message before.
        self.in_head, self.received, self.first_chunk_size = True, 0, self.chunk_size
        self.began = self.loop.time()
        if self.tls:
            self.scope["extensions"] = {"tls": self.tls}

    @override
    def on_headers_complete(self) -> None:
        self.in_head = False
        self._stop_head_timer()
        self._check_head()
        upgrade = self.parser.should_upgrade() and self._should_upgrade()
        if upgrade and not self._can_upgrade():
            self.loop.call_later(UPGRADE_TIMEOUT, self.transport.close)
            raise BadHead
        if len(self.pipeline) >= self.settings.max_pipeline:
            raise BadHead
        super().on_headers_complete()
        if not upgrade:
            self.headers = _TRAILERS

    @override
    def on_body(self, body: bytes) -> None:
        self.received = 0  # It counts the bytes around the body: sizes and extensions of chunks, and trailers.
        super().on_body(body)

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.active = cycle
        super()._start_asgi_task(cycle, app)

    @override
    def send_400_response(self, msg: str) -> None:
        self._reject(self.bad_head_status)

    def _check_head(self) -> None:
        if len(self.headers) > self.settings.max_headers or self._head_is_too_large():
            self.bad_head_status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise BadHead
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            raise BadHead  # RFC 9112, 3.2: a proxy and this server could read different hosts.

    def _head_is_too_large(self) -> bool:
        if self.received + self.first_chunk_size <= self.settings.max_head_size:
            return False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > self.settings.max_head_size

    def _can_upgrade(self) -> bool:
        """Whether nothing before the upgrade needs this protocol, and no body belongs to it."""
        bodies = [value for name, value in self.headers if name in {b"content-length", b"transfer-encoding"}]
        idle = not self._has_active_request() and not self.transport.get_write_buffer_size()
        request = self.parser.get_method(), self.parser.get_http_version()
        return idle and request == (b"GET", "1.1") and all(value == b"0" for value in bodies)

    def _has_active_request(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _has_open_body(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.more_body

    def waiting_since(self) -> float | None:
        """Return when this connection began to wait for its client, or None while it runs a request."""
        waits = not self.pipeline and (not self._has_active_request() or self.cycle.more_body)
        return self.began if waits else None

    def start_head_timer(self) -> None:
        if self.head_timer is None and not self.flow.read_paused and not self.transport.is_closing():
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
            # The responses to earlier requests come first. The last of them closes the connection.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if not self.pipeline and not (self._has_active_request() and self.cycle.response_started):
            self.transport.write(raw_problem(status))
        self.transport.close()


def limited(settings: ConnectionSettings) -> type[LimitedProtocol]:
    """Return a class with these settings: uvicorn creates the protocols, and passes only its own configuration."""
    return type("Protocol", (LimitedProtocol,), {"settings": settings})
