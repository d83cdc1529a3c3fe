"""Check the settings, connect to the database and apply the migrations, before a service starts.

The exit code is 78 if the settings are wrong, and 1 if the database cannot be connected to or migrated. Without
`--all-settings` it reads only the settings of the database, because migrations need no others.
"""

import asyncio
import sys

import asyncpg
from alembic import command, util
from alembic.config import Config

from chassis.database import DatabaseSettings
from chassis.dev.database import without_password
from chassis.dev.project import settings_of
from chassis.dev.terminal import CommandError, run_command
from chassis.migrations import database_settings


async def connect(settings: DatabaseSettings) -> None:
    url = (settings.direct_url or settings.url).get_secret_value()
    password = settings.password.get_secret_value() if settings.password else None
    try:
        connection = await asyncpg.connect(url, password=password, timeout=settings.connect_timeout)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or f"no answer within {settings.connect_timeout:g} s"
        raise CommandError(f"Cannot connect to the database: {without_password(url)}: {reason}") from error
    await connection.close()


def main() -> int:
    if "--all-settings" in sys.argv:
        settings_of().load()
    asyncio.run(connect(database_settings()))
    try:
        command.upgrade(Config(toml_file="pyproject.toml"), "head")
    except util.CommandError as error:
        raise CommandError(f"Cannot apply the migrations: {error}") from error
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, failed=1))
