"""Compares the connections of all workers of all replicas with those that PostgreSQL allows."""

from contextlib import suppress

import asyncpg
import structlog

log = structlog.stdlib.get_logger("chassis.database")

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
    count: int = await connection.fetchval(_AVAILABLE)
    return count


async def warn(connection: asyncpg.Connection, wanted: int) -> None:
    """Log a warning if there are fewer than `wanted` connections: under load some requests would get 503."""
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # The next statement raises it again.
        count = await available(connection)
        if wanted <= count:
            return
        log.warning("the database has too few connections: see `make budget`", wanted=wanted, available=count)
