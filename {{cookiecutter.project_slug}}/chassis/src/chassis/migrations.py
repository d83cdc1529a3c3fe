"""Run the migrations, in one transaction each, on one database at a time: `migrations/env.py` calls `run`.

Two replicas that migrate at once do it once: the second waits for an advisory lock. It polls, because a session that
waits inside `pg_advisory_lock` deadlocks with a `CREATE INDEX CONCURRENTLY` of the first, and `lock_timeout` would
cut the wait.

Of the settings only the database's are read: whatever else a service needs may be missing where it is migrated.
"""

import asyncio
import sys

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from chassis import idempotency
from chassis.database import Base, DatabaseSettings, create_engine
from chassis.settings import load_group

LOCK = 7_261_150_201_949_212  # Any number that no other program takes in this database.
LOCK_TIMEOUT = "5s"  # A migration that waits for a table makes every request behind it wait too.
POLL_INTERVAL = 0.2  # Seconds.

del idempotency  # Imported for the table that it registers with `Base`.


def run() -> None:
    asyncio.run(_run())


def database_settings() -> DatabaseSettings:
    """Read the database's settings alone; wrong ones end the process with exit code 78 and a line each."""
    return load_group("database", DatabaseSettings)


async def _run() -> None:
    # A pooler in transaction mode would hand the lock's session to others, and an index takes longer than a request.
    engine = create_engine(database_settings().direct(), poolclass=NullPool)
    async with engine.connect() as locked, engine.connect() as connection:
        await _hold_lock(await locked.execution_options(isolation_level="AUTOCOMMIT"))
        await connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        await connection.commit()
        await connection.run_sync(_migrate)
    await engine.dispose()


async def _hold_lock(connection: AsyncConnection) -> None:
    waiting = False
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}):
        if not waiting:
            print("waiting: another process is migrating", file=sys.stderr)  # noqa: T201 - For the terminal.
            waiting = True
        await asyncio.sleep(POLL_INTERVAL)


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()
