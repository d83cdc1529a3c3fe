"""uvicorn's WebSocket protocol, without private data in its log, and with limits where it has none.

Private API: `LimitedWebSocketProtocol` overrides callbacks of `WebSocketsSansIOProtocol`, its `handle_cont`,
    `handle_ping` and `send`, changes its `app`, `client` and `logger`, and reads and sets `close_sent`, `conn`,
    `frames`, `handshake_complete`, `handshake_initiated`, `loop`, `read_paused`, `transport` and `writable`.
Why: it logs addresses and queries, never answers an upgrade that it cannot parse, and keeps any number of fragments and
    of answers to pings. It has no settings.
Checked by: tests/server/test_library_api.py (names) and tests/server/test_websockets.py (behaviour).
"""

import asyncio
import logging
from http import HTTPStatus
from typing import override

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import SecurityError
from websockets.frames import Frame

from chassis.connections._client_certificate import with_tls_extension
from chassis.connections._http1 import UNIX
from chassis.connections._raw_problem import raw_problem

FRAGMENTS = 1024
"""The most fragments of a message. Even an empty one costs memory, and `max_body_size` counts only their bytes."""

LARGE_READ = 64 * 1024
"""Bytes of one read, after which others have their turn. libuv would read 32 times, 256 kB each, and small frames of
8 MB cost seconds."""

# At INFO it logs each address and query, at DEBUG all headers. The access line is ours.
log = logging.getLogger("uvicorn.error.websocket")
log.setLevel(logging.WARNING)


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.logger = self.conn.logger = log
        self.conn.debug = False
        self.client = self.client or UNIX
        self.app = with_tls_extension(self.app, transport)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if len(data) >= LARGE_READ:
            self.transport.pause_reading()
            self.loop.call_soon(self._resume_reading)
        if self.conn.handshake_exc and not self.handshake_initiated:
            large = isinstance(self.conn.handshake_exc, SecurityError)
            self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if large else HTTPStatus.BAD_REQUEST)

    def _resume_reading(self) -> None:
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    @override
    def handle_parser_exception(self) -> None:
        if self.conn.close_sent:
            super().handle_parser_exception()
        else:
            self.transport.close()

    @override
    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < FRAGMENTS:
            super().handle_cont(event)
        elif not self.transport.is_closing():
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()

    @override
    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # Dropped: a client that reads nothing needs no answer.

    @override
    async def send(self, message: ASGISendEvent) -> None:
        if self.transport.is_closing():
            raise ClientDisconnected  # uvicorn raises a RuntimeError if it has closed because of the client's fault.
        await super().send(message)

    def _reject(self, status: HTTPStatus) -> None:
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(raw_problem(status))
        self.transport.close()
