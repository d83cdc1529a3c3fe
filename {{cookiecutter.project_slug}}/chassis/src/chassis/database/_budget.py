"""Whether PostgreSQL has as many connections as all workers of all replicas together may open."""

from contextlib import suppress

import asyncpg
import structlog

log = structlog.stdlib.get_logger("chassis.database")

# What is kept for superusers and for `pg_use_reserved_connections` (since PostgreSQL 16) is not for us; a role and a
# database may have limits of their own. LEAST passes over NULL.
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
    count: int = await connection.fetchval(_AVAILABLE)
    return count


async def warn(connection: asyncpg.Connection, wanted: int) -> None:
    """Log it if `wanted` connections are more than there are: some requests will get 503 at the worst time."""
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # A statement will meet it again.
        count = await available(connection)
        if wanted <= count:
            return
        log.warning("the database has too few connections: see `make budget`", wanted=wanted, available=count)
