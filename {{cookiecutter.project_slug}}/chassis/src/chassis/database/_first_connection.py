"""The warnings of a pool's first connection: too few connections for all, and a server that is not verified.

asyncpg decides from the URL, `PG…` variables and files in the home folder what it verifies. Only private attributes of
its connection tell the result: `tests/database/test_database_connections.py` fails if asyncpg changes them.
"""

from contextlib import suppress
from ssl import CERT_REQUIRED

import asyncpg
import structlog

log = structlog.stdlib.get_logger("chassis.database")

_UNVERIFIED = "the connection to the database does not verify the server: add sslmode=verify-full&sslrootcert=…"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
# Some connections are reserved for superusers and `pg_use_reserved_connections` (since PostgreSQL 16). A role and a
# database may have limits of their own. LEAST ignores NULL.
_AVAILABLE = """
    SELECT least(
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    )
"""


async def available(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval(_AVAILABLE))


def unverified_host(connection: asyncpg.Connection) -> str:
    """Return the host of a server that is not verified; empty on this machine, and with `sslmode=disable`."""
    address, parameters = connection._addr, connection._params  # noqa: SLF001 - As above.
    if isinstance(address, str) or address[0] in _THIS_MACHINE or parameters.sslmode.name == "disable":
        return ""
    return "" if parameters.ssl and parameters.ssl.verify_mode is CERT_REQUIRED else str(address[0])


async def warn(connection: asyncpg.Connection, wanted: int) -> None:
    """Log what an operator should change. With fewer than `wanted` connections some requests get 503 under load."""
    if host := unverified_host(connection):
        log.warning(_UNVERIFIED, host=host)
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # The next statement raises it again.
        if wanted and wanted > (count := await available(connection)):
            log.warning("the database has too few connections: see `make budget`", wanted=wanted, available=count)
