"""uvicorn's HTTP/2 protocol with the client certificate in the scope and a timeout for silent clients.

Private API: `Http2Protocol` overrides `connection_made` and `_switch` of `AutoZttpProtocol`, and reads `app`, `cycle`,
    `cycles` and `timeout_keep_alive_task` of the protocols that it switches to.
Why: uvicorn has no settings for these.
Checked by: tests/server/test_library_api.py (names) and the template's tests/server/ (behaviour).

Import it only if `APP_SERVER__HTTP2` is on: the parser `zttp` is an extra package.
"""

import asyncio
from typing import cast, override

from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol
from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol
from uvicorn.protocols.http.zttp_impl import ZttpProtocol

from chassis.connections._client_certificate import with_tls_extension
from chassis.connections._settings import ConnectionSettings


class Http2Protocol(AutoZttpProtocol):
    settings: ConnectionSettings
    chosen: ZttpProtocol | ZttpH2Protocol | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        super().connection_made(transport)
        # uvicorn starts its own timer after the first bytes.
        self.loop.call_later(self.settings.head_timeout, self._close_if_silent)

    @override
    def _switch(self, http2: bool, initial_data: bytes = b"") -> None:
        super()._switch(http2, b"")
        chosen = self.chosen = cast("ZttpProtocol | ZttpH2Protocol", self.transport.get_protocol())
        chosen.app = with_tls_extension(chosen.app, self.transport)
        if initial_data:
            chosen.data_received(initial_data)

    def _close_if_silent(self) -> None:
        chosen = self.chosen
        active = chosen.cycles if isinstance(chosen, ZttpH2Protocol) else chosen and chosen.cycle
        if not active and not (chosen and chosen.timeout_keep_alive_task):
            self.transport.close()


def limited(settings: ConnectionSettings) -> type[Http2Protocol]:
    return type("Protocol", (Http2Protocol,), {"settings": settings})
