"""What must be right before a service starts: its settings, a database that answers, the tables in it.

Ends with 78 if the settings are wrong, and with 1 if the database cannot be reached or migrated. Without
`--all-settings` only those of the database are read: what migrates needs no others.
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
        raise CommandError(f"The database cannot be reached: {without_password(url)}: {reason}") from error
    await connection.close()


def main() -> int:
    if "--all-settings" in sys.argv:
        settings_of().load()
    asyncio.run(connect(database_settings()))
    try:
        command.upgrade(Config(toml_file="pyproject.toml"), "head")
    except util.CommandError as error:
        raise CommandError(f"The migrations cannot be applied: {error}") from error
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, failed=1))
