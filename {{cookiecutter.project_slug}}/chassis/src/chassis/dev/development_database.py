"""`make reset` and `make downgrade`, which also work while `make dev` runs.

`reset` deletes the database of `make dev` and creates it again, migrated. It changes no other: it ends with 1 if
APP_DATABASE__URL names a database, in the environment or in `.env`.

`downgrade` undoes the newest migration, or all that are newer than `to=<revision>`. It works on the database that
APP_DATABASE__URL names, or else on that of `make dev`. `make migrate`, or a new `make dev`, applies them again.
"""

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import asyncpg
from alembic import command, util
from alembic.config import Config
from dotenv import load_dotenv

from chassis.dev.database import URL, is_named, own_database, prepare
from chassis.dev.postgres import HOME, url_of_running
from chassis.dev.prepare import connect
from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, end_on_signals, print_status, run_command
from chassis.migrations import database_settings

DIRECT_URL = "APP_DATABASE__DIRECT_URL"


@contextmanager
def development_database() -> Iterator[str]:
    """Yield the URL of the database of `make dev`, as it is: started if nothing runs it, and not migrated."""
    with ExitStack() as stack:
        url = url_of_running(HOME) or stack.enter_context(own_database()).url
        for name in [each for each in os.environ if each.upper() in (URL, DIRECT_URL)]:
            del os.environ[name]
        # Both, because a secret file with a direct URL would lead migrations to another database.
        os.environ.update({URL: url, DIRECT_URL: url})
        yield url


def reset() -> int:
    load_dotenv(PROJECT / ".env")  # `make dev` reads it too.
    if is_named():
        raise CommandError(f"this deletes only the database that `make dev` starts, and {URL} names another one")
    with development_database() as url:
        asyncio.run(create_again(url))
        if code := prepare():
            return code
    print_status("The database of `make dev` is empty, and has all migrations")
    return 0


async def create_again(url: str) -> None:
    """Delete `postgres`, which ends its connections, and create it; a service connects again by itself."""
    connection = await asyncpg.connect(url, database="template1")
    await connection.execute("DROP DATABASE IF EXISTS postgres WITH (FORCE)")
    # template1 may have other connections, and then it cannot be copied.
    await connection.execute("CREATE DATABASE postgres TEMPLATE template0")
    await connection.close()


def downgrade() -> int:
    with ExitStack() as stack:
        if not is_named():
            print_status(f"No {URL}: using the database of `make dev`")
            stack.enter_context(development_database())
        asyncio.run(connect(database_settings()))
        if not (before := current()):
            raise CommandError("the database has no migration to undo")
        command.downgrade(Config(toml_file="pyproject.toml"), os.environ.get("to") or "-1")  # noqa: SIM112 - As typed.
        print_status(f"The database was at {before}. Now it is at {current() or 'no migration'}.")
        return 0


def current() -> str:
    """Return the revision of the database, as `alembic current` prints it."""
    said = io.StringIO()
    command.current(Config(toml_file="pyproject.toml", stdout=said))
    return said.getvalue().strip()


def main(name: str) -> int:
    os.chdir(PROJECT)
    end_on_signals()
    try:
        return reset() if name == "reset" else downgrade()
    except (util.CommandError, asyncpg.PostgresError) as error:
        raise CommandError(str(error)) from error


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1]), name=f"make {sys.argv[1]}", failed=1))
