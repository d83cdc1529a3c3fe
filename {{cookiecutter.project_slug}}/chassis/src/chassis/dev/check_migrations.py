"""`make check-migrations`: find migrations that block requests or break the version that is still running.

squawk checks the SQL of each migration. With base=origin/main it checks only the migrations that are new since then.
To accept a finding, name its rule and the reason in the migration: `# safe: ban-drop-column - unused since 1.4`.
"""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from chassis.dev.git import added_since, exists, is_nothing
from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, run_command

# Matters of style, and `prefer-robust-stmts`: here every migration is one transaction, which is all or nothing.
NOT_ASKED = (
    *("prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-identity", "prefer-robust-stmts"),
    *("prefer-text-field", "prefer-timestamptz", "ban-char-field", "require-statement-timeout"),
)
# squawk has no advice for these rules.
SAFE_WAY = {
    "ban-drop-column": "First release code that does not read it (`deferred`, no longer in the model); drop it after.",
    "ban-drop-table": "First release code that does not use it; drop it in a later release.",
    "changing-column-type": "Add a column of the new type, write both, copy in batches, read the new, drop the old.",
    "renaming-column": "Add a column of the new name, write both, copy in batches, read the new, drop the old.",
    "renaming-table": "Keep the table's name, and give the class another: `__tablename__` stays.",
}
# As migrations/env.py has it.
TRANSACTION = "SET lock_timeout = '5s';\nBEGIN;\n{}COMMIT;\n"
_SAFE = re.compile(r"^\s*# safe: ([a-z-]+) - \S.*$", re.MULTILINE)


def sql(migration: Script) -> str:
    """The SQL of a migration's upgrade, without a database."""
    said = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": said})
    with Operations.context(context), context.begin_transaction(_per_migration=True):
        migration.module.upgrade()
    return TRANSACTION.format(said.getvalue())


def findings(migrations: Iterable[Script]) -> Iterator[str]:
    """Yield each unsafe statement, with its place and a safe alternative."""
    with tempfile.TemporaryDirectory() as name:
        for migration in migrations:
            path = Path(name, Path(migration.path).with_suffix(".sql").name)
            path.write_text(sql(migration))
            meant = set(_SAFE.findall(Path(migration.path).read_text()))
            for found in squawk(path):
                if found["rule_name"] not in meant:
                    yield shown(found, migration, path)


def squawk(path: Path) -> list[dict[str, Any]]:
    program = str(Path(sys.executable).with_name("squawk"))
    command = [program, "--reporter=json", "--pg-version=18", f"--exclude={','.join(NOT_ASKED)}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(f"squawk ended with {done.returncode}: {done.stderr}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def shown(found: dict[str, Any], migration: Script, path: Path) -> str:
    statement = " ".join(path.read_text().splitlines()[found["line"] : found["line_end"] + 1])
    way = found["help"] or SAFE_WAY.get(found["rule_name"], "See the page of this rule in squawk's documentation.")
    name = Path(migration.path).relative_to(PROJECT)
    return f"{name}: {found['rule_name']}\n  {statement}\n  {found['message']}\n  Safe: {way}\n"


def main() -> int:
    base = os.environ.get("base", "")  # noqa: SIM112 - As it stands after `make`.
    if is_nothing(base):
        base = ""
    if base and not exists(base):
        raise CommandError(f"There is no version {base} to compare with. Type `git fetch`, or name another: base=…")
    migrations = list(ScriptDirectory.from_config(Config(toml_file=PROJECT / "pyproject.toml")).walk_revisions())
    if base:
        new = added_since(base, "migrations/versions")
        migrations = [each for each in migrations if str(Path(each.path).relative_to(PROJECT)) in new]
    unsafe = list(findings(reversed(migrations)))
    print("\n".join(unsafe) if unsafe else f"{len(migrations)} migrations checked, and none of them blocks")
    return 1 if unsafe else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
