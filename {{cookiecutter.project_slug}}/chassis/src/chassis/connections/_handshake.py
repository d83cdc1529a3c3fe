"""The TLS handshake of a connection: limited in time, and counted as an open connection.

Private API: `TLSHandshake` has the constructor of uvicorn's protocols and the `shutdown` that `Server` calls. It
    changes `connections` and `tasks` of `ServerState`.
Why: asyncio's listener gives a handshake 60 s, and uvicorn does not count a connection before its handshake has ended.
Checked by: tests/server/test_library_api.py (names) and tests/server/test_connections.py (behaviour).
"""

import asyncio
import ssl
from typing import Any, cast, override

from uvicorn.config import Config
from uvicorn.server import ServerState

from chassis.connections._settings import ConnectionSettings
from chassis.connections._total import makes_room


class TLSHandshake(asyncio.Protocol):
    settings: ConnectionSettings
    context: ssl.SSLContext
    protocol: type[Any]
    """uvicorn's protocol after the handshake. `before` sets all three."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        self.options = {"config": config, "server_state": server_state, "app_state": app_state, "_loop": _loop}
        self.connections: set[Any] = server_state.connections
        self.tasks = server_state.tasks
        self.early = bytearray()
        self.task: asyncio.Task[None] | None = None
        self.began: float | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        self.transport = transport
        self.connections.add(self)
        if not makes_room(self.connections, self.settings):
            transport.abort()
            return
        self.began = asyncio.get_running_loop().time()
        self.task = asyncio.get_running_loop().create_task(self._shake_hands())
        self.tasks.add(self.task)
        self.task.add_done_callback(self.tasks.discard)

    async def _shake_hands(self) -> None:
        try:
            transport = await self._start_tls()
        except (OSError, RuntimeError):  # Of the network, TLS or time; uvloop's, if the connection has closed before.
            transport = None
        finally:
            self.connections.discard(self)
        if transport is None or transport.is_closing():
            self.transport.abort()
            return
        protocol = self.protocol(**self.options)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self.early:
            protocol.data_received(bytes(self.early))

    async def _start_tls(self) -> asyncio.Transport | None:
        loop = asyncio.get_running_loop()
        timeout = self.settings.head_timeout
        handshake = loop.start_tls(self.transport, self, self.context, server_side=True, ssl_handshake_timeout=timeout)
        self.transport.pause_reading()
        starting = loop.create_task(handshake)
        await asyncio.sleep(0)  # Now asyncio's protocol is in place.
        # uvloop has read already, and `start_tls` knows only what comes after it.
        first, self.early = bytes(self.early), bytearray()
        loop.call_soon(_feed, cast("asyncio.BufferedProtocol", self.transport.get_protocol()), first)
        return await starting

    @override
    def data_received(self, data: bytes) -> None:
        self.early += data  # The first bytes of the handshake, or those that came in one packet with its end.

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        if self.task:
            self.task.cancel()

    def waiting_since(self) -> float | None:
        return self.began

    def shutdown(self) -> None:
        self.transport.abort()


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]


def before(protocol: type[Any], context: ssl.SSLContext, settings: ConnectionSettings) -> type[TLSHandshake]:
    """Return a class that makes a handshake before each connection of this protocol."""
    return type("Handshake", (TLSHandshake,), {"settings": settings, "context": context, "protocol": protocol})
