"""uvicorn's choice of a protocol for each connection, HTTP/2 or HTTP/1.1, with our limited protocols.

Private API: `Http2Protocol` overrides `connection_made` and `_switch` of `AutoZttpProtocol`, reads its `app_state`,
    `config`, `connections`, `loop`, `server_state` and `transport`, and changes its `timeout_task`.
Why: uvicorn has no settings for the protocols or for the time until the first bytes.
Checked by: tests/server/test_library_api.py (names) and the template's tests/server/test_http2.py (behaviour).
"""

import asyncio
from typing import override

from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol

from chassis.connections import _http1
from chassis.connections._settings import ConnectionSettings
from chassis.connections._total import makes_room
from chassis.http2._connection import LimitedHttp2Protocol


class Http2Protocol(AutoZttpProtocol):
    settings: ConnectionSettings
    http1: type[_http1.LimitedProtocol]
    http2: type[LimitedHttp2Protocol]
    """All are set by `limited`."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        super().connection_made(transport)
        if self.timeout_task:  # Without TLS the first bytes say which protocol it is.
            self.timeout_task.cancel()
            self.timeout_task = self.loop.call_later(self.settings.head_timeout, transport.close)
            self.began = self.loop.time()
            if not makes_room(self.connections, self.settings):
                transport.abort()

    def waiting_since(self) -> float | None:
        return self.began

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
