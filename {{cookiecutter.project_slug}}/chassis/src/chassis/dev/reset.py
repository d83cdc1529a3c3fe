"""`make reset`: delete the database of `make dev` and create it again, migrated. `make dev` may run meanwhile.

Ends with 2 if APP_DATABASE__URL names a database, in the environment or in `.env`: this deletes no other than its own.
"""

import asyncio
import os
import sys

import asyncpg
from dotenv import load_dotenv

from chassis.dev.database import URL, is_named, prepare
from chassis.dev.development_database import development_database
from chassis.dev.programs import CommandError
from chassis.dev.project import PROJECT
from chassis.dev.terminal import complain, end_on_signals, say


async def create_again(url: str) -> None:
    """Delete `postgres`, which ends its connections, and create it; a service connects again by itself."""
    connection = await asyncpg.connect(url, database="template1")
    try:
        await connection.execute("DROP DATABASE IF EXISTS postgres WITH (FORCE)")
        # template1 may have other connections, and then it cannot be copied.
        await connection.execute("CREATE DATABASE postgres TEMPLATE template0")
    finally:
        await connection.close()


def main() -> int:
    os.chdir(PROJECT)
    end_on_signals()
    load_dotenv(PROJECT / ".env")  # `make dev` reads it too.
    if is_named():
        complain(f"make reset deletes only the database that `make dev` starts, and {URL} names another one")
        return 2
    try:
        with development_database() as url:
            asyncio.run(create_again(url))
            if code := prepare():
                return code
    except (CommandError, OSError, asyncpg.PostgresError) as error:
        complain(f"make reset: {error}")
        return 1
    except KeyboardInterrupt:
        complain("Stopped. To begin with an empty database, type: make reset")
        return 130
    say("The database of `make dev` is empty, and has all migrations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
