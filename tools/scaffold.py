"""The common part of `make resource` and `make upstream`: build in a temporary folder, show, copy.

On any failure the service is unchanged. The exit code is 0, 2 after an error, and 130 after Ctrl-C.
"""

import difflib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.merge import git
from tools.rendering import render
from tools.service import PROJECT, run
from tools.terminal import CommandError, print_status, run_command

GENERATORS = Path(__file__).parent.parent / "generators"
IN_SERVICE = Path(__file__).parent / "in_service"


@dataclass(frozen=True)
class Scaffold:
    """A copy of the service with the new code: its new and its changed files."""

    folder: Path
    new: list[Path]
    changed: list[Path]


def add(command: str, scaffold: Callable[[Path], Scaffold], then: str) -> int:
    """Run the command: show the scaffold, and put it in place unless `dry=1` was typed."""

    def main() -> int:
        dry = asked("dry")["dry"] not in ("", "0")
        with tempfile.TemporaryDirectory(prefix="scaffold-") as folder:
            made = scaffold(Path(folder))
            show(made, dry=dry)
            if not dry:
                put(made)
                print_status(f"\nNext: {then}")
        return 0

    return run_command(main, name=command)


def asked(*names: str) -> dict[str, str]:
    """Read what stands after the command: `name=invoice`."""
    answers = {name: os.environ.get(name, "").strip() for name in names}
    for name, text in answers.items():
        if "{" in text:  # cookiecutter would take it for markup of a template.
            raise CommandError(f"{name}={text!r} must not contain {{")
    return answers


def refuse_uncommitted() -> None:
    try:
        git("rev-parse", "--verify", "HEAD^{commit}")
    except (CommandError, OSError) as error:
        why = "This service is not in git yet. Type: git init && git add --all && git commit -m Start"
        raise CommandError(why) from error
    changes = [line[3:] for line in git("status", "--porcelain", "--", ".").splitlines()]
    if changes:
        raise CommandError(f"{changes[0]} is not committed. Commit or stash all changes first")


def made_by(generator: str, answers: dict[str, Any], folder: Path) -> Path:
    """Make what a generator of this version of the template makes of the answers."""
    made, _ = render(GENERATORS / generator, answers, folder / "rendered")
    return made


def copy(made: Path, folder: Path) -> tuple[Path, list[Path]]:
    """Copy the service into a folder, and what was made into the copy; say which files of it are new."""
    service = folder / "service"
    for each in ("src", "tests", "migrations"):
        shutil.copytree(PROJECT / each, service / each, symlinks=True)
    shutil.copy2(PROJECT / "pyproject.toml", service)
    shutil.copytree(made, service, dirs_exist_ok=True)
    return service, sorted(path.relative_to(made) for path in made.rglob("*.py"))


def ruff(service: Path, *arguments: str) -> None:
    _by_service(service, "ruff", "-m", "ruff", *arguments)


def add_migration(service: Path, table: str) -> Path:
    """Write the migration of a new table by the service's own models."""
    versions = service / "migrations/versions"
    before = set(versions.iterdir())
    _by_service(service, "the migration", "-P", str(IN_SERVICE / "new_table.py"), table)
    [migration] = [path for path in set(versions.iterdir()) - before if path.suffix == ".py"]
    return migration.relative_to(service)


def _by_service(service: Path, what: str, *arguments: str) -> None:
    try:
        run(*arguments, folder=service, sources=(service / "src", PROJECT))
    except CommandError as refusal:
        raise CommandError(f"{what} failed and nothing has changed: {refusal}") from refusal


def show(scaffold: Scaffold, *, dry: bool) -> None:
    print_status("It would add" if dry else "Adding")
    for path in scaffold.new:
        print_status(f"  {path}")
    for path in scaffold.changed:
        print_status(f"and to {path}")
        for line in _differences(path, scaffold.folder):
            print_status(f"  {line}")


def _differences(path: Path, folder: Path) -> Iterator[str]:
    before, after = ((each / path).read_text().splitlines() for each in (PROJECT, folder))
    lines = difflib.unified_diff(before, after, n=0, lineterm="")
    return (line for line in lines if line[:2] not in ("--", "++", "@@"))


def put(scaffold: Scaffold) -> None:
    """Copy the new files and then the changed ones into the service. On any failure undo all of it."""
    before = {path: (PROJECT / path).read_bytes() for path in scaffold.changed}
    folders = {folder for path in scaffold.new for folder in path.parents if not (PROJECT / folder).exists()}
    try:
        for path in [*scaffold.new, *scaffold.changed]:
            (PROJECT / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(scaffold.folder / path, PROJECT / path)
    except BaseException:
        for path in scaffold.new:
            (PROJECT / path).unlink(missing_ok=True)
        for folder in sorted(folders, reverse=True):
            shutil.rmtree(PROJECT / folder, ignore_errors=True)
        for path, content in before.items():
            (PROJECT / path).write_bytes(content)
        raise
