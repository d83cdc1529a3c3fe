"""The server: a gunicorn master and uvicorn workers, with what both need to lose no request.

chassis/docs/operations.md draws the signals and the times. `gunicorn.conf.py` of a service takes `configuration`.
"""

from typing import Any

from chassis.logs import LogSettings
from chassis.server._settings import ServerSettings

__all__ = ["ServerSettings", "configuration"]


def configuration(server: ServerSettings, log: LogSettings) -> dict[str, Any]:
    """Return the variables of a `gunicorn.conf.py`; ends the process with 78 if TLS could not be served so."""
    from chassis.server._gunicorn import configured  # noqa: PLC0415 - The settings and `make dev` need no gunicorn.

    return configured(server, log)
