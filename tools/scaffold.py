"""What `make resource` and `make upstream` share: all is made in a temporary folder, shown, and put in place.

Only what is whole is put in place; on any failure everything is as it was. Ends with 0, with 2 if what was
asked for cannot be, and with 130 on Ctrl-C.
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
from tools.service import PROJECT, Refused, run
from tools.terminal import complain, end_on_signals, say

GENERATORS = Path(__file__).parent.parent / "generators"
IN_SERVICE = Path(__file__).parent / "in_service"


@dataclass(frozen=True)
class Staged:
    """What the service would be, in a folder of its own; what of it is new, and what is not as it was."""

    folder: Path
    new: list[Path]
    changed: list[Path]


def add(command: str, stage: Callable[[Path], Staged], then: str) -> int:
    end_on_signals()
    try:
        dry = asked("dry")["dry"] not in ("", "0")
        with tempfile.TemporaryDirectory(prefix="staged-") as folder:
            staged = stage(Path(folder))
            show(staged, dry=dry)
            if not dry:
                put(staged)
                say(f"\nNext: {then}")
    except KeyboardInterrupt:
        complain("Stopped: nothing has changed")
        return 130
    except (Refused, OSError) as error:
        complain(f"{command}: {error}")
        return 2
    return 0


def asked(*names: str) -> dict[str, str]:
    """Read what stands after the command: `name=invoice`."""
    answers = {name: os.environ.get(name, "").strip() for name in names}
    for name, text in answers.items():
        if "{" in text:  # cookiecutter would take it for markup of a template.
            raise Refused(f"{name}: there is no {{ in one, and there is in {text!r}")
    return answers


def refuse_uncommitted() -> None:
    try:
        git("rev-parse", "--verify", "HEAD^{commit}")
    except (Refused, OSError) as error:
        why = "git has no commit of this service yet; type: git init && git add --all && git commit -m Start"
        raise Refused(why) from error
    changes = [line[3:] for line in git("status", "--porcelain", "--", ".").splitlines()]
    if changes:
        raise Refused(
            f"{changes[0]} is not committed; commit or stash all changes, so that the new ones stand alone"
        )


def made_by(generator: str, answers: dict[str, Any], folder: Path) -> Path:
    """Make what a generator of this version of the template makes of the answers."""
    made, _ = render(GENERATORS / generator, answers, folder / "rendered")
    return made


def copy(made: Path, folder: Path) -> tuple[Path, list[Path]]:
    """Copy the service into a folder, and what was made into the copy; say which files of it are new."""
    staged = folder / "service"
    for each in ("src", "tests", "migrations"):
        shutil.copytree(PROJECT / each, staged / each, symlinks=True)
    shutil.copy2(PROJECT / "pyproject.toml", staged)
    shutil.copytree(made, staged, dirs_exist_ok=True)
    return staged, sorted(path.relative_to(made) for path in made.rglob("*.py"))


def ruff(staged: Path, *arguments: str) -> None:
    _by_service(staged, "ruff", "-m", "ruff", *arguments)


def add_migration(staged: Path, table: str) -> Path:
    """Write the migration of a new table by the service's own models."""
    versions = staged / "migrations/versions"
    before = set(versions.iterdir())
    _by_service(staged, "the migration", "-P", str(IN_SERVICE / "new_table.py"), table)
    [migration] = [path for path in set(versions.iterdir()) - before if path.suffix == ".py"]
    return migration.relative_to(staged)


def _by_service(staged: Path, what: str, *arguments: str) -> None:
    try:
        run(*arguments, folder=staged, sources=(staged / "src", PROJECT))
    except Refused as refusal:
        raise Refused(f"{what} failed, and nothing was changed: {refusal}") from refusal


def show(staged: Staged, *, dry: bool) -> None:
    say("It would add" if dry else "Adding")
    for path in staged.new:
        say(f"  {path}")
    for path in staged.changed:
        say(f"and to {path}")
        for line in _differences(path, staged.folder):
            say(f"  {line}")


def _differences(path: Path, folder: Path) -> Iterator[str]:
    before, after = ((each / path).read_text().splitlines() for each in (PROJECT, folder))
    lines = difflib.unified_diff(before, after, n=0, lineterm="")
    return (line for line in lines if line[:2] not in ("--", "++", "@@"))


def put(staged: Staged) -> None:
    """Put in place what is new, and last what is changed; on any failure take it all away again."""
    before = {path: (PROJECT / path).read_bytes() for path in staged.changed}
    folders = {folder for path in staged.new for folder in path.parents if not (PROJECT / folder).exists()}
    try:
        for path in [*staged.new, *staged.changed]:
            (PROJECT / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(staged.folder / path, PROJECT / path)
    except BaseException:
        for path in staged.new:
            (PROJECT / path).unlink(missing_ok=True)
        for folder in sorted(folders, reverse=True):
            shutil.rmtree(PROJECT / folder, ignore_errors=True)
        for path, content in before.items():
            (PROJECT / path).write_bytes(content)
        raise
