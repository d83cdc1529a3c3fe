# /// script
# requires-python = ">=3.13"
# dependencies = ["cookiecutter>=2.7"]
# ///
"""`make resource`: add a complete feature, from the version of the template that made this service."""

import sys
from pathlib import Path

from tools.features import features, refuse_clash
from tools.registration import register
from tools.scaffold import Scaffold, add, add_migration, asked, copy, made_by, refuse_uncommitted, ruff
from tools.service import PROJECT
from tools.terminal import CommandError

EXAMPLE = (
    'make resource name=invoice fields="number:str:unique amount:decimal(12,2) paid:bool=false notes:text?"'
)
MAIN = Path("src/app/main.py")


def main() -> int:
    return add("make resource", scaffold, then="make migrate, make check")


def scaffold(folder: Path) -> Scaffold:
    answers = asked("name", "fields", "plural")
    if not answers["name"] or not answers["fields"]:
        raise CommandError(f"it needs a name and fields: {EXAMPLE}")
    refuse_uncommitted()
    made = made_by("resource", answers | {"_features": features(PROJECT)}, folder)
    feature = refuse_clash(PROJECT, made, answers["name"])
    service, new = copy(made, folder)
    register(service / MAIN, feature)
    tidy(service, new)
    return Scaffold(service, [*new, add_migration(service, feature)], [MAIN])


def tidy(service: Path, new: list[Path]) -> None:
    """Drop the imports that these fields do not need, and break the lines where they are long."""
    ruff(service, "check", "--fix-only", "--quiet", *map(str, new))
    ruff(service, "check", "--fix-only", "--quiet", "--select", "I001", str(MAIN))
    ruff(service, "format", "--quiet", *map(str, new))


if __name__ == "__main__":
    sys.exit(main())
