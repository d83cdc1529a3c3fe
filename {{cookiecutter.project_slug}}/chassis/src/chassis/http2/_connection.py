"""uvicorn's HTTP/2 protocol with limits on a connection, its streams, and what waits for the client.

Private API: `LimitedHttp2Protocol` overrides the callbacks of `ZttpH2Protocol`, reads its `client`, `conn`,
    `connections`, `cycles`, `flow`, `logger`, `loop`, `shutdown_requested` and `transport`, and changes its `app`,
    `timeout_keep_alive_task` and `RequestResponseCycle`: `body`, `message_event`, `more_body` and `stream`.
Why: uvicorn limits neither heads nor the requests that run, keeps what the client does not take, and restarts the timer
    of an idle connection with each frame. It also waits for the body of a request whose head was its end.
Checked by: tests/server/test_library_api.py (names) and the template's tests/server/test_http2.py (behaviour).

The parser `zttp` limits the size of a head, the frames of a head, open streams, and the streams that a client resets.
"""

import asyncio
import struct
from collections.abc import Generator
from http import HTTPStatus
from typing import Any, override

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol
from zttp import Data, Event, H2ErrorCode, H2Settings, RemoteProtocolError, Request, RstStream

from chassis.connections._client_certificate import with_tls_extension
from chassis.connections._raw_problem import CONTENT_TYPE, problem_document
from chassis.connections._settings import ConnectionSettings
from chassis.connections._total import makes_room
from chassis.http2._heads import Heads
from chassis.http2._responses import Cycle, Responses

_MOST_UNREAD = 4 * HIGH_WATER_LIMIT
"""Bytes of bodies that the application has not read, on all streams of a connection."""
_MOST_OVERHEAD = 16 * HIGH_WATER_LIMIT
"""Bytes of frames without a use. They cost up to 0.2 s of CPU, in which nobody else is served."""
_WORTH = 4096
"""Bytes of overhead that a request makes up for. A byte of a body makes up for 8, and 16 of a response for one."""
_LARGE_HEADS = 10
"""Heads of the largest size that a connection may hold at once. A byte can repeat a large field: HPACK."""
_RESETS = 200
"""Streams that a client may reset. Then the connection ends in order; zttp breaks it at 257."""
_TICK = 0.5
_GRACE = 1.0  # Seconds for the last bytes to a client that did what it may not.
_ZTTP_STREAMS, _ZTTP_HEAD = 128, 64 * 1024  # What zttp accepts.


class LimitedHttp2Protocol(ZttpH2Protocol):
    settings: ConnectionSettings
    """Set by `limited`."""
    cycles: dict[int, Cycle]  # type: ignore[assignment]  # `handle_request` makes them so.

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        # zttp's own settings offer WebSockets over HTTP/2, which uvicorn does not have. A browser would use them.
        self.conn.initiate_connection()
        self.conn.data_to_send()
        streams = min(self.settings.max_pipeline, _ZTTP_STREAMS)
        offer = H2Settings.MAX_CONCURRENT_STREAMS, streams, H2Settings.MAX_HEADER_LIST_SIZE, _ZTTP_HEAD
        transport.write(b"\0\0\x0c\x04\0\0\0\0\0" + struct.pack(">HIHI", *offer))
        super().connection_made(transport)
        self.client = self.client or ("unix", 0)
        self.application, self.app = with_tls_extension(self.app, transport), self._run
        self.heads, self.responses = Heads(), Responses()
        self.held: list[Cycle] = []
        self.overhead = self.resets = 0
        self.ended = False
        self.began = self.loop.time()
        self.ticker = self.loop.call_later(_TICK, self._tick)
        self.timeout_keep_alive_task = self.loop.call_later(self.settings.head_timeout, self.timeout_keep_alive_handler)
        if not makes_room(self.connections, self.settings):
            transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.ticker.cancel()
        self.responses.wake()

    @override
    def data_received(self, data: bytes) -> None:
        # Not uvicorn's: it restarts the timer of an idle connection with each frame.
        if self.ended:
            return
        self.overhead += len(data)
        self.heads.feed(data, self.loop.time())
        try:
            self.conn.receive_data(data)
            self.handle_events()
        except RemoteProtocolError as error:
            self.logger.warning("Invalid HTTP/2 frame received: %s", error)
            self._end()
            return
        if self.transport.is_closing():
            return
        self.flush()
        self._measure()
        self.responses.wake()

    def _measure(self) -> None:
        sent, self.responses.sent = self.responses.sent, 0
        self.overhead = max(0, self.overhead - sent // 16)
        if self.overhead > _MOST_OVERHEAD:
            self._end(H2ErrorCode.ENHANCE_YOUR_CALM)
        if self._unread() > _MOST_UNREAD:
            self.flow.pause_reading()
        self.responses.parked = 0
        if self.conn.has_pending_send():
            self.responses.parked = sum(cycle.parked for cycle in self.cycles.values())
        for cycle in [each for each in self.cycles.values() if each.finished and not each.parked]:
            self.on_response_complete(cycle.stream.stream_id)

    @override
    def events(self) -> Generator[Event]:
        for event in super().events():
            if isinstance(event, Data):
                self.overhead -= 8 * len(event.data)
            yield event

    @override
    def handle_request(self, event: Request) -> None:
        if not _is_valid(event):
            self.conn.stream(event.stream_id).reset(H2ErrorCode.PROTOCOL_ERROR)
        elif self.shutdown_requested or self._is_full():
            self.conn.stream(event.stream_id).reset(H2ErrorCode.REFUSED_STREAM)
        else:
            self.overhead -= _WORTH
            self._unset_keepalive_if_required()
            super().handle_request(event)
            self._adopt(self.cycles[event.stream_id], event)

    def _is_full(self) -> bool:
        """Return whether as many requests as may run, or wait for the client. One that was reset can still run."""
        self.held = [each for each in self.held if not each.task_ended or each.stream.stream_id in self.cycles]
        heads = sum(each.head_size for each in self.held)
        return len(self.held) >= self.settings.max_pipeline or heads > _LARGE_HEADS * self.settings.max_head_size

    def _adopt(self, cycle: Cycle, request: Request) -> None:
        cycle.__class__ = Cycle  # Its task has not started yet.
        cycle.responses = self.responses
        cycle.head_size = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
        if request.end_stream:
            cycle.more_body = False
            cycle.message_event.set()
        self.held.append(cycle)

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        cycle: Cycle = send.__self__
        try:
            # A client that does not take its responses gets no more of them.
            while (self.responses.crowded or self.flow.write_paused) and not cycle.disconnected:
                await self.responses.progress()
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
                cycle.finished = True  # `_measure` calls this again.
                return
            if cycle.more_body:
                cycle.stream.reset(H2ErrorCode.NO_ERROR)  # RFC 9113, 8.1: the response did not need the rest.
                self.flush()
        super().on_response_complete(stream_id)
        self.began = self.loop.time()

    def waiting_since(self) -> float | None:
        return None if self.cycles else self.began

    @override
    def handle_rst_stream(self, event: RstStream) -> None:
        super().handle_rst_stream(event)
        self.resets += 1
        if self.resets == _RESETS:
            self.shutdown()

    @override
    def shutdown(self) -> None:
        super().shutdown()
        if self.cycles:
            self.conn.close()  # The client opens its next streams on another connection.
            self.flush()

    def _tick(self) -> None:
        now = self.loop.time()
        self.ticker = self.loop.call_later(_TICK, self._tick)
        if self.heads.begun and now - self.heads.begun > self.settings.head_timeout:
            self._end(H2ErrorCode.ENHANCE_YOUR_CALM)
        stalled = [each for each in self.cycles.values() if each.stalls(now) > self.settings.write_timeout]
        if stalled and self.conn.send_window <= 0:
            self._end(H2ErrorCode.ENHANCE_YOUR_CALM)
        for cycle in stalled:
            cycle.abort_stream()
            cycle.disconnect()
            if cycle.finished:
                self.on_response_complete(cycle.stream.stream_id)
        if self.responses.parked:
            self._measure()
            self.responses.wake()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()  # Each PING is answered. The answers would pile up.

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self.resume_reading_if_idle()
        self.responses.wake()

    @override
    def resume_reading_if_idle(self) -> None:
        if self._unread() <= _MOST_UNREAD and not self.flow.write_paused and not self.ended:
            super().resume_reading_if_idle()

    def _unread(self) -> int:
        return sum(len(cycle.body) for cycle in self.cycles.values())

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
        self.responses.wake()


def _is_valid(request: Request) -> bool:
    hosts = [value for name, value in request.headers if name == b"host"]
    return request.path.startswith(b"/") and request.path.isascii() and len(hosts) == 1 and hosts[0] != b""


async def _send_problem(status: HTTPStatus, send: Any) -> None:
    body = problem_document(status)
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
