"""What `make resource` and `make upstream` share: all is made in a temporary folder, shown, and put in place or not.

Only what is whole is put in place; on any failure everything is as it was. Ends with 0, with 2 if what was asked for
cannot be, and with 130 on Ctrl-C.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import CookiecutterException
from cookiecutter.main import cookiecutter

from dev.git import uncommitted
from dev.postgres import PROJECT
from dev.programs import CannotStart
from dev.template import Refused
from dev.template_cache import origin, unpack
from dev.terminal import complain, say


@dataclass(frozen=True)
class Staged:
    """What the service would be, in a folder of its own; what of it is new, and what is not as it was."""

    folder: Path
    new: list[Path]
    changed: list[Path]


def add(command: str, stage: Callable[[Path], Staged], then: str) -> int:
    try:
        dry = asked("dry")["dry"] not in ("", "0")
        with tempfile.TemporaryDirectory(prefix="staged-") as folder:
            staged = stage(Path(folder))
            show(staged, dry=dry)
            if not dry:
                put(staged)
                say(f"\nNext: {then}")
    except KeyboardInterrupt:
        return 130
    except (CannotStart, Refused, OSError) as error:
        complain(f"{command}: {error}")
        return 2
    return 0


def asked(*names: str) -> dict[str, str]:
    """Read what stands after the command: `name=invoice`."""
    answers = {name: os.environ.get(name, "").strip() for name in names}
    for name, text in answers.items():
        if "{" in text:  # cookiecutter would take it for markup of a template.
            raise CannotStart(f"{name}: there is no {{ in one, and there is in {text!r}")
    return answers


def refuse_uncommitted() -> None:
    changes = uncommitted()
    if changes is None:
        raise CannotStart(
            "git has no commit of this service yet; type: git init && git add --all && git commit -m Start"
        )
    if changes:
        raise CannotStart(
            f"{changes[0]} is not committed; commit or stash all changes, so that the new ones stand alone"
        )


def render(template: str, answers: dict[str, Any], folder: Path) -> Path:
    """Make what a folder of this service's template makes of the answers."""
    unpacked = unpack(origin(), template, folder)
    # A file of its own, so that nothing of this is kept beside what the user has generated.
    (folder / "config.json").write_text(json.dumps({"replay_dir": str(folder / "replay")}))
    try:
        made = cookiecutter(
            str(unpacked),
            no_input=True,
            extra_context=answers,
            output_dir=str(folder / "made"),
            config_file=str(folder / "config.json"),
        )
    except (SystemExit, CookiecutterException) as error:
        raise CannotStart(str(error)) from None
    return Path(made)


def copy(made: Path, folder: Path) -> tuple[Path, list[Path]]:
    """Copy the service into a folder, and what was made into the copy; say which files of it are new."""
    staged = folder / "service"
    for each in ("src", "tests", "migrations"):
        shutil.copytree(PROJECT / each, staged / each, symlinks=True)
    shutil.copy2(PROJECT / "pyproject.toml", staged)
    shutil.copytree(made, staged, dirs_exist_ok=True)
    return staged, sorted(path.relative_to(made) for path in made.rglob("*.py"))


def run(staged: Path, module: str, *arguments: str) -> None:
    """Run a module on what is staged: its `app` comes before the one that is installed."""
    paths = os.pathsep.join([str(staged / "src"), str(PROJECT)])
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=staged,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise CannotStart(f"{module} ended with {done.returncode}, and nothing was changed: {said[-1]}")


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
