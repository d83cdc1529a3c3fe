"""`make resource`: a whole feature, made from the template that made this service, at the version that made it."""

import sys
from pathlib import Path

from dev.features import features, refuse_clash
from dev.postgres import PROJECT
from dev.programs import CannotStart
from dev.registration import register
from dev.staging import Staged, add, asked, copy, refuse_uncommitted, render, run

EXAMPLE = 'make resource name=invoice fields="number:str:unique amount:decimal(12,2) paid:bool=false notes:text?"'
MAIN = Path("src/app/main.py")


def main() -> int:
    return add("make resource", stage, then="make migrate, make check")


def stage(folder: Path) -> Staged:
    answers = asked("name", "fields", "plural")
    if not answers["name"] or not answers["fields"]:
        raise CannotStart(f"it needs a name and fields: {EXAMPLE}")
    refuse_uncommitted()
    made = render("resource", answers | {"_features": features(PROJECT)}, folder)
    feature = refuse_clash(PROJECT, made, answers["name"])
    staged, new = copy(made, folder)
    register(staged / MAIN, feature)
    tidy(staged, new)
    return Staged(staged, [*new, add_migration(staged, feature)], [MAIN])


def tidy(staged: Path, new: list[Path]) -> None:
    """Drop the imports that these fields do not need, and break the lines where they are long."""
    run(staged, "ruff", "check", "--fix-only", "--quiet", *map(str, new))
    run(staged, "ruff", "check", "--fix-only", "--quiet", "--select", "I001", str(MAIN))
    run(staged, "ruff", "format", "--quiet", *map(str, new))


def add_migration(staged: Path, table: str) -> Path:
    versions = staged / "migrations/versions"
    before = set(versions.iterdir())
    run(staged, "dev.new_table", table)
    [migration] = [path for path in set(versions.iterdir()) - before if path.suffix == ".py"]
    return migration.relative_to(staged)


if __name__ == "__main__":
    sys.exit(main())
