"""The number of connections of a worker, which is limited so that descriptors cannot run out."""

import logging
import time
from collections.abc import Collection
from typing import Any

from chassis.connections._settings import ConnectionSettings

log = logging.getLogger("chassis.connections")

_QUIET = 10.0  # Seconds between two warnings: a client that connects in a loop must not fill the log.
_SHARE = 16  # Of the connections, one in so many is closed at once: to find them takes a look at all.
_next_warning = 0.0


def makes_room(connections: Collection[Any], settings: ConnectionSettings) -> bool:
    """Close the connections that have waited longest if there are too many. False: the newest has no room.

    Otherwise somebody who opens connections and sends nothing would keep all others out, a probe too. Our protocols
    have `waiting_since`. A WebSocket has none: it runs a request as long as it is open.
    """
    if len(connections) <= settings.max_connections:
        return True
    _warn(settings)
    opened = [each for each in connections if not each.transport.is_closing()]
    if len(opened) <= settings.max_connections:
        return True
    waiting = [(since, id(each), each) for each in opened if (since := _waiting_since(each)) is not None]
    for _, _, each in sorted(waiting)[: max(1, settings.max_connections // _SHARE)]:
        each.transport.abort()
    return bool(waiting)


def _waiting_since(connection: Any) -> float | None:
    since: float | None = connection.waiting_since() if hasattr(connection, "waiting_since") else None
    return since


def _warn(settings: ConnectionSettings) -> None:
    global _next_warning  # noqa: PLW0603 - Of this worker, as the connections are.
    if time.monotonic() >= _next_warning:
        _next_warning = time.monotonic() + _QUIET
        limit = {"max_connections": settings.max_connections}
        log.warning("too many connections: those that wait longest for their client are closed", extra=limit)
