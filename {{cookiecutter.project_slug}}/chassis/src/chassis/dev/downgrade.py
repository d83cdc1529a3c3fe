"""`make downgrade`: undo the newest migration, or all that are newer than `to=<revision>`.

It works on the database that APP_DATABASE__URL names, or else on that of `make dev`, running or not. `make migrate` and
the next start of `make dev` apply the migrations again.
"""

import asyncio
import os
import sys
from contextlib import nullcontext

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError as AlembicError

from chassis.dev.database import URL, is_named
from chassis.dev.development_database import development_database
from chassis.dev.prepare import connect
from chassis.dev.programs import CommandError
from chassis.dev.project import PROJECT
from chassis.dev.terminal import complain, end_on_signals, say
from chassis.migrations import database_settings


def current(config: Config, scripts: ScriptDirectory) -> str | None:
    """Ask the database, as `alembic current` does."""
    found: list[str] = []

    def look(revision: tuple[str, ...], _context: MigrationContext) -> list[None]:
        found.extend(revision)
        return []

    with EnvironmentContext(config, scripts, fn=look):
        scripts.run_env()
    return found[0] if found else None


def described(revision: str | None, scripts: ScriptDirectory) -> str:
    script = scripts.get_revision(revision) if revision else None
    return f"{script.revision} ({script.doc})" if script else "no migration"


def downgrade(target: str) -> int:
    config = Config(toml_file="pyproject.toml")
    scripts = ScriptDirectory.from_config(config)
    before = current(config, scripts)
    if before is None:
        complain("make downgrade: the database has no migration to undo")
        return 2
    start = described(before, scripts)
    command.downgrade(config, target)
    say(f"The database was at {start}. Now it is at {described(current(config, scripts), scripts)}.")
    return 0


def main() -> int:
    os.chdir(PROJECT)
    end_on_signals()
    if not is_named():
        say(f"No {URL}: using the database of `make dev`")
    try:
        with nullcontext() if is_named() else development_database():
            asyncio.run(connect(database_settings()))
            return downgrade(os.environ.get("to") or "-1")  # noqa: SIM112 - As it stands after `make`.
    except AlembicError as error:
        complain(f"make downgrade: {error}")
        return 2
    except (CommandError, OSError) as error:
        complain(f"make downgrade: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
