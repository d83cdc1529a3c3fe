"""uvicorn's HTTP/2 protocol with limits on each connection and its streams. HTTP/1.1 is `_http1`'s.

Private API: `Http2Protocol` overrides `connection_made` and `_switch` of `AutoZttpProtocol`, reads its `app_state`,
    `config`, `loop`, `server_state` and `transport`, and changes its `timeout_task`. `LimitedHttp2Protocol` overrides
    the callbacks of `ZttpH2Protocol`, reads its `client`, `conn`, `cycles`, `flow`, `logger`, `loop`,
    `shutdown_requested` and `transport`, and changes its `app` and `timeout_keep_alive_task`, and the class of its
    `RequestResponseCycle`, of which it reads `body`, `message_event`, `more_body`, `scope` and `stream`.
Why: uvicorn limits neither heads nor the requests that run, keeps what the client does not take, and restarts the timer
    of an idle connection with each frame. It also waits for the body of a request whose head was its end.
Checked by: tests/server/test_library_api.py (names) and the template's tests/server/test_http2.py (behaviour).

Import it only if `APP_SERVER__HTTP2` is on: the parser `zttp` is an extra package. It limits the size of a head, of
frames and of their number in a head, and ends a connection with the 257th stream that the client resets.
"""

import asyncio
import struct
from collections.abc import Generator
from http import HTTPStatus
from typing import Any, override

from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol
from zttp import Data, Event, H2ErrorCode, H2Settings, RemoteProtocolError, Request, RstStream, Stream

from chassis.connections import _http1
from chassis.connections._client_certificate import with_tls_extension
from chassis.connections._http2_cycle import Cycle
from chassis.connections._http2_heads import Heads
from chassis.connections._raw_problem import CONTENT_TYPE, problem_document
from chassis.connections._settings import ConnectionSettings

_MOST_OVERHEAD = 16 * HIGH_WATER_LIMIT
"""Bytes of frames that are worth nothing: a million costs up to 0.15 s of CPU, in which nobody else is served."""
_MOST_PARKED = 8 * HIGH_WATER_LIMIT
"""Bytes that wait for the windows of a connection, before each response waits for the client in the application."""
_MOST_UNREAD = 4 * HIGH_WATER_LIMIT
"""Bytes of bodies that the application has not read yet, on all streams of a connection."""
_LARGE_HEADS = 10
"""Heads of the largest size that a connection may hold at once. A few bytes can repeat a large one: HPACK."""
_RESETS = 200
"""Streams that a client may reset before the connection ends in order: zttp breaks it at 257."""
_GRACE = 1.0  # Seconds for the last bytes to a client whose connection is closed because of what it did.
# What zttp accepts. It cannot be told to accept less.
_ZTTP_STREAMS, _ZTTP_HEAD = 128, 64 * 1024


class LimitedHttp2Protocol(ZttpH2Protocol):
    settings: ConnectionSettings
    """Set by `limited`."""
    cycles: dict[int, Cycle]  # type: ignore[assignment]  # `handle_request` makes them so.

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        self.conn.initiate_connection()
        # zttp's settings offer WebSockets over HTTP/2, which uvicorn does not have. A browser would use them.
        self.conn.data_to_send()
        transport.write(self._offer())
        super().connection_made(transport)
        self.client = self.client or ("unix", 0)
        self.application = with_tls_extension(self.app, transport)
        self.app = self._run
        self.held: list[Cycle] = []
        self.ended = False
        self.overhead = self.parked = self.refused = self.resets = 0
        self.progress = asyncio.Event()
        self.heads = Heads()
        self.head_timer: asyncio.TimerHandle | None = None
        self.stall_timer: asyncio.TimerHandle | None = None
        self.timeout_keep_alive_task = self.loop.call_later(
            self.settings.head_timeout, self.timeout_keep_alive_handler
        )

    def _offer(self) -> bytes:
        """Return the frame of our settings."""
        streams = min(self.settings.max_pipeline, _ZTTP_STREAMS)
        settings = H2Settings.MAX_CONCURRENT_STREAMS, streams, H2Settings.MAX_HEADER_LIST_SIZE, _ZTTP_HEAD
        return b"\0\0\x0c\x04\0\0\0\0\0" + struct.pack(">HIHI", *settings)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self.head_timer, self.stall_timer):
            if timer:
                timer.cancel()
        self._pulse()

    @override
    def data_received(self, data: bytes) -> None:
        # Not uvicorn's: it restarts the timer of an idle connection with each frame.
        if self.ended:
            return
        self.overhead += len(data)
        self._watch_head(data)
        try:
            self.conn.receive_data(data)
            self.handle_events()
        except RemoteProtocolError as error:
            self.logger.warning("Invalid HTTP/2 frame received: %s", error)
            self._end()
        if self.ended or self.transport.is_closing():
            return
        self.flush()
        self.overhead = max(0, self.overhead)
        if self.overhead > _MOST_OVERHEAD:
            self._end(H2ErrorCode.ENHANCE_YOUR_CALM)
            return
        if sum(len(cycle.body) for cycle in self.cycles.values()) > _MOST_UNREAD:
            self.flow.pause_reading()
        self.measure()
        self._pulse()

    @override
    def events(self) -> Generator[Event]:
        for event in super().events():
            if isinstance(event, Request):
                self.overhead -= 4096
            elif isinstance(event, Data):
                self.overhead -= 8 * len(event.data)
            yield event

    def _watch_head(self, data: bytes) -> None:
        ended = self.heads.ended
        begun = self.heads.feed(data)
        if self.head_timer and (not begun or self.heads.ended != ended):
            self.head_timer.cancel()
            self.head_timer = None
        if begun and not self.head_timer:
            self.head_timer = self.loop.call_later(self.settings.head_timeout, self._end, H2ErrorCode.ENHANCE_YOUR_CALM)

    @override
    def handle_request(self, event: Request) -> None:
        stream = self.conn.stream(event.stream_id)
        if self.ended:
            return
        if not _is_valid(event):
            self._refuse(stream, H2ErrorCode.PROTOCOL_ERROR)
        elif self.shutdown_requested or self._is_full():
            self._refuse(stream, H2ErrorCode.REFUSED_STREAM)
        else:
            self.refused = 0
            self._unset_keepalive_if_required()
            super().handle_request(event)
            self.held.append(self._limit(event))

    def _limit(self, event: Request) -> Cycle:
        cycle = self.cycles[event.stream_id]
        # The task of the request has not started yet.
        cycle.__class__ = Cycle
        cycle.connection = self
        cycle.head_size = len(event.target) + sum(len(name) + len(value) for name, value in event.headers)
        if event.end_stream:
            cycle.more_body = False
            cycle.message_event.set()
        return cycle

    def _is_full(self) -> bool:
        """Return whether as many requests run, or wait for the client, as may. One that was reset can still run."""
        self.held = [each for each in self.held if not each.task_ended or each.stream.stream_id in self.cycles]
        heads = sum(each.head_size for each in self.held)
        return len(self.held) >= self.settings.max_pipeline or heads > _LARGE_HEADS * self.settings.max_head_size

    def _refuse(self, stream: Stream, code: H2ErrorCode) -> None:
        stream.reset(code)
        self.refused += 1
        if self.refused > self.settings.max_pipeline:
            self._end(H2ErrorCode.ENHANCE_YOUR_CALM)

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        cycle: Cycle = send.__self__
        try:
            # A client that does not take its responses gets no more of them.
            while (self.parked > HIGH_WATER_LIMIT or self.flow.write_paused) and not cycle.disconnected:
                await self.progress.wait()
            if cycle.disconnected:
                return
            if len(scope["headers"]) > self.settings.max_headers or cycle.head_size > self.settings.max_head_size:
                await _send_problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, send)
            else:
                await self.application(scope, receive, send)
        finally:
            cycle.task_ended = True

    @override
    def on_response_complete(self, stream_id: int) -> None:
        cycle = self.cycles.get(stream_id)
        if cycle and not cycle.disconnected:
            if cycle.parked:
                cycle.finished = True  # `measure` ends it.
                return
            if cycle.more_body:
                cycle.stream.reset(H2ErrorCode.NO_ERROR)  # RFC 9113, 8.1: the response does not depend on it.
                self.flush()
        super().on_response_complete(stream_id)

    @override
    def handle_rst_stream(self, event: RstStream) -> None:
        super().handle_rst_stream(event)
        self.resets += 1
        if self.resets == _RESETS and self.cycles:
            self.shutdown()
        elif self.resets >= _RESETS and not self.cycles:
            self._end(H2ErrorCode.NO_ERROR)

    @override
    def shutdown(self) -> None:
        super().shutdown()
        if self.cycles:
            self.conn.close()  # The client opens its next streams on another connection.
            self.flush()

    async def until_taken(self, cycle: Cycle, size: int) -> None:
        """Wait after `size` bytes of a response, until the client has taken most of what it has got."""
        self.overhead -= size // 16  # It sends WINDOW_UPDATE frames for them.
        self.measure()
        while cycle.parked > (HIGH_WATER_LIMIT if self.parked <= _MOST_PARKED else 0) and not cycle.disconnected:
            await self.progress.wait()

    def measure(self) -> None:
        """Add up what the client has no room for, and end the streams whose last bytes it has taken."""
        if not self.parked and not self.conn.has_pending_send():
            return
        cycles = list(self.cycles.values())
        self.parked = sum(cycle.parked for cycle in cycles)
        for cycle in cycles:
            if cycle.finished and not cycle.parked:
                self.on_response_complete(cycle.stream.stream_id)
        if self.parked and not self.stall_timer:
            self.stall_timer = self.loop.call_later(self.settings.write_timeout / 4, self._end_stalled)

    def _end_stalled(self) -> None:
        self.stall_timer = None
        now = self.loop.time()
        for cycle in list(self.cycles.values()):
            if cycle.stalled(now) < self.settings.write_timeout:
                continue
            if self.conn.send_window <= 0:
                self._end(H2ErrorCode.ENHANCE_YOUR_CALM)
                return
            cycle.abort_stream()
            cycle.disconnect()
            if cycle.finished:
                self.on_response_complete(cycle.stream.stream_id)
        self.measure()
        self._pulse()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()  # Each PING is answered. The answers would pile up.

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self.resume_reading_if_idle()
        self._pulse()

    @override
    def resume_reading_if_idle(self) -> None:
        unread = sum(len(cycle.body) for cycle in self.cycles.values())
        if unread <= _MOST_UNREAD and not self.flow.write_paused and not self.ended:
            super().resume_reading_if_idle()

    def _pulse(self) -> None:
        self.progress.set()
        self.progress.clear()

    def _end(self, code: H2ErrorCode | None = None) -> None:
        """Leave the streams, and close the connection soon. Without a code, zttp has queued its GOAWAY."""
        if self.ended:
            return
        self.ended = True
        for cycle in self.cycles.values():
            cycle.disconnect()
        if code is not None:
            self.conn.close(code)
        self.flush()
        # To close a socket with bytes that nobody has read resets the connection, and the client misses the GOAWAY.
        self.flow.pause_reading()
        self.loop.call_later(_GRACE, self.transport.abort)
        self._pulse()


def _is_valid(request: Request) -> bool:
    hosts = [value for name, value in request.headers if name == b"host"]
    return request.path.startswith(b"/") and request.path.isascii() and len(hosts) == 1 and hosts[0] != b""


async def _send_problem(status: HTTPStatus, send: Any) -> None:
    body = problem_document(status)
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Http2Protocol(AutoZttpProtocol):
    settings: ConnectionSettings
    http1: type[_http1.LimitedProtocol]
    http2: type[LimitedHttp2Protocol]
    """These are set by `limited`."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        super().connection_made(transport)
        if self.timeout_task:  # Without TLS the first bytes say which protocol it is.
            self.timeout_task.cancel()
            self.timeout_task = self.loop.call_later(self.settings.head_timeout, transport.close)

    @override
    def _switch(self, http2: bool, initial_data: bytes = b"") -> None:
        chosen = self.http2 if http2 else self.http1
        protocol = chosen(self.config, self.server_state, self.app_state, self.loop)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if initial_data:
            protocol.data_received(initial_data)


def limited(settings: ConnectionSettings) -> type[Http2Protocol]:
    http2 = type("Protocol", (LimitedHttp2Protocol,), {"settings": settings})
    chosen = {"settings": settings, "http1": _http1.limited(settings), "http2": http2}
    return type("Protocol", (Http2Protocol,), chosen)
