"""What one client connection may do: protocols that limit each of its phases, from the handshake to the close.

chassis/docs/security.md has the table of the phases, their limits and their settings.
"""

import asyncio
import ssl
from typing import Any

from chassis.connections._settings import ConnectionSettings

__all__ = ["ConnectionSettings", "uvicorn_options"]


def uvicorn_options(settings: ConnectionSettings, context: ssl.SSLContext | None) -> dict[str, Any]:
    """Return the options of uvicorn's `Config` by which it has these limits; with a context also TLS."""
    from chassis.connections import _handshake, _http1, _websocket  # noqa: PLC0415 - Settings alone need no server.

    protocol: type[asyncio.Protocol] = _http1.limited(settings)
    if settings.http2:
        from chassis import http2  # noqa: PLC0415 - Its parser is an extra package.

        protocol = http2.limited(settings)
    if context:
        protocol = _handshake.before(protocol, context, settings)
    return {"http": protocol, "ws": _websocket.LimitedWebSocketProtocol}
