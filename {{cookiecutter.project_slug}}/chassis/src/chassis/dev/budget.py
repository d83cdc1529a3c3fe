"""`make budget`: check that the database allows all connections that this service may open; exit code 1 if not.

Behind PgBouncer it asks the server itself, by the URL for migrations.
"""

import asyncio
import sys
from typing import Any

import asyncpg

from chassis.database import DatabaseSettings, connections_available
from chassis.dev.database import without_password
from chassis.dev.project import settings_of
from chassis.dev.terminal import CommandError, run_command


async def available(settings: DatabaseSettings) -> int:
    url = settings.direct().url.get_secret_value()
    password = settings.password.get_secret_value() if settings.password else None
    try:
        connection = await asyncpg.connect(url, password=password, timeout=settings.connect_timeout)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or type(error).__name__
        raise CommandError(f"Cannot connect to the database: {without_password(url)}: {reason}") from error
    try:
        return await connections_available(connection)
    finally:
        await connection.close()


def main() -> int:
    settings: Any = settings_of().load()
    workers, pool, replicas = settings.server.workers, settings.database.pool_size, settings.database.replicas
    if settings.database.pgbouncer:
        print("APP_DATABASE__PGBOUNCER is on: PgBouncer's own default_pool_size and max_client_conn are the limits")
    wanted = workers * pool * replicas
    has = asyncio.run(available(settings.database))
    print(f"{workers} workers x {pool} connections x {replicas} replicas = {wanted}; the database has {has} available")
    if wanted > has:
        print("Too few connections: lower APP_DATABASE__POOL_SIZE or APP_SERVER__WORKERS, or raise max_connections")
        return 1
    if 2 * wanted > has:
        print(f"During a reload or deployment, old and new processes together need up to {2 * wanted}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, failed=1))
