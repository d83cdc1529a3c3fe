"""The number of connections of a worker, which is limited so that descriptors cannot run out."""

import logging
import time
from collections.abc import Sized

from chassis.connections._settings import ConnectionSettings

log = logging.getLogger("chassis.connections")

_QUIET = 10.0  # Seconds between two warnings: a client that connects in a loop must not fill the log.
_next_warning = 0.0


def is_full(connections: Sized, settings: ConnectionSettings) -> bool:
    """Whether the newest of these connections is one too many. It is counted already."""
    global _next_warning  # noqa: PLW0603 - Of this worker, as the connections are.
    full = len(connections) > settings.max_connections
    if full and time.monotonic() >= _next_warning:
        _next_warning = time.monotonic() + _QUIET
        limit = {"max_connections": settings.max_connections}
        log.warning("too many connections: further ones are closed", extra=limit)
    return full
