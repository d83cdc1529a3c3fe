"""The server: a gunicorn master and uvicorn workers, configured so that no request is lost on reload or shutdown.

chassis/docs/operations.md describes the signals and timeouts. A service's `gunicorn.conf.py` calls `configuration`.
"""

from typing import Any

from chassis.logs import LogSettings
from chassis.server._settings import ServerSettings

__all__ = ["ServerSettings", "configuration"]


def configuration(server: ServerSettings, log: LogSettings) -> dict[str, Any]:
    """Return the variables of a `gunicorn.conf.py`. Exits with code 78 if the TLS settings do not work."""
    from chassis.server._gunicorn import configured  # noqa: PLC0415 - The settings and `make dev` need no gunicorn.

    return configured(server, log)
