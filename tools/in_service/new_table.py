"""Write the migration that makes a table and its indexes, as Alembic renders them.

The service's own Python runs this, without a database.
"""

import sys
from argparse import Namespace

from alembic import util
from alembic.autogenerate import render_python_code
from alembic.config import Config
from alembic.operations.ops import CreateIndexOp, CreateTableOp, DowngradeOps, UpgradeOps
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from app import main as application
from chassis.database import Base
from sqlalchemy import Table

del application  # Imported for the tables that it registers with `Base`.


def write(table: Table) -> None:
    script = ScriptDirectory.from_config(Config(toml_file="pyproject.toml", cmd_opts=Namespace(quiet=True)))
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    made = [CreateTableOp.from_table(table), *map(CreateIndexOp.from_index, indexes)]
    script.generate_revision(
        util.rev_id(),
        table.name.replace("_", " "),
        upgrades=rendered(UpgradeOps(made)),
        downgrades=rendered(DowngradeOps([each.reverse() for each in reversed(made)])),
        imports="from sqlalchemy.dialects import postgresql",  # The lint removes it where unused.
    )


def rendered(operations: UpgradeOps | DowngradeOps) -> str:
    context = MigrationContext.configure(dialect_name="postgresql", opts={"target_metadata": Base.metadata})
    lines = render_python_code(operations, migration_context=context).splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("# ###")).strip()


if __name__ == "__main__":
    try:
        write(Base.metadata.tables[sys.argv[1]])
    except util.CommandError as error:
        sys.exit(f"Alembic: {error}")
