"""`make resource`: a whole feature, made from the template that made this service, at the version that made it.

All of it is made in a temporary folder first, migration included. Only what is whole is put in place; on any failure
everything is as it was. Ends with 0, with 2 if what was asked for cannot be, and with 130 on Ctrl-C.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cookiecutter.exceptions import CookiecutterException
from cookiecutter.main import cookiecutter

from dev.features import features, refuse_clash
from dev.git import uncommitted
from dev.postgres import PROJECT
from dev.programs import CannotStart
from dev.registration import register
from dev.template import Refused
from dev.template_cache import origin, unpack
from dev.terminal import complain, say

EXAMPLE = 'make resource name=invoice fields="number:str:unique amount:decimal(12,2) paid:bool=false notes:text?"'
MAIN = Path("src/app/main.py")


@dataclass(frozen=True)
class Asked:
    name: str
    fields: str
    plural: str
    dry: bool


def asked() -> Asked:
    """Read what stands after `make resource`."""
    name, fields, plural, dry = (os.environ.get(each, "").strip() for each in ("name", "fields", "plural", "dry"))
    if not name or not fields:
        raise CannotStart(f"it needs a name and fields: {EXAMPLE}")
    for what, text in (("name", name), ("fields", fields), ("plural", plural)):
        if "{" in text:  # cookiecutter would take it for markup of a template.
            raise CannotStart(f"{what}: there is no {{ in one, and there is in {text!r}")
    return Asked(name, fields, plural, dry not in ("", "0"))


def main() -> int:
    try:
        wanted = asked()
        refuse_uncommitted()
        with tempfile.TemporaryDirectory(prefix="resource-") as folder:
            staged = stage(wanted, Path(folder))
            show(staged, dry=wanted.dry)
            if not wanted.dry:
                put(staged)
                say("\nNext: make migrate, make check")
    except KeyboardInterrupt:
        return 130
    except (CannotStart, Refused, OSError) as error:
        complain(f"make resource: {error}")
        return 2
    return 0


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


@dataclass(frozen=True)
class Staged:
    """What the service would be, in a folder of its own, and what of it is new."""

    folder: Path
    new: list[Path]


def stage(wanted: Asked, folder: Path) -> Staged:
    made = render(wanted, folder)
    feature = refuse_clash(PROJECT, made, wanted.name)
    staged = folder / "service"
    for each in ("src", "tests", "migrations"):
        shutil.copytree(PROJECT / each, staged / each, symlinks=True)
    shutil.copy2(PROJECT / "pyproject.toml", staged)
    shutil.copytree(made, staged, dirs_exist_ok=True)
    register(staged / MAIN, feature)
    new = sorted(path.relative_to(made) for path in made.rglob("*.py"))
    tidy(staged, new)
    return Staged(staged, [*new, add_migration(staged, feature)])


def render(wanted: Asked, folder: Path) -> Path:
    template = unpack(origin(), "resource", folder)
    # A file of its own, so that nothing of this is kept beside what the user has generated.
    (folder / "config.json").write_text(json.dumps({"replay_dir": str(folder / "replay")}))
    answers = {"name": wanted.name, "fields": wanted.fields, "plural": wanted.plural, "_features": features(PROJECT)}
    try:
        made = cookiecutter(
            str(template),
            no_input=True,
            extra_context=answers,
            output_dir=str(folder / "made"),
            config_file=str(folder / "config.json"),
        )
    except (SystemExit, CookiecutterException) as error:
        raise CannotStart(str(error)) from None
    return Path(made)


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
    before, after = ((each / MAIN).read_text().splitlines() for each in (PROJECT, staged.folder))
    changes = [
        line for line in difflib.unified_diff(before, after, n=0, lineterm="") if line[:2] not in ("--", "++", "@@")
    ]
    say(f"and to {MAIN}")
    say("\n".join(f"  {line}" for line in changes))


def put(staged: Staged) -> None:
    """Put in place what is new, and main.py last; on any failure take it all away again."""
    before = (PROJECT / MAIN).read_bytes()
    folders = {folder for path in staged.new for folder in path.parents if not (PROJECT / folder).exists()}
    try:
        for path in staged.new:
            (PROJECT / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(staged.folder / path, PROJECT / path)
        shutil.copyfile(staged.folder / MAIN, PROJECT / MAIN)
    except BaseException:
        for path in staged.new:
            (PROJECT / path).unlink(missing_ok=True)
        for folder in sorted(folders, reverse=True):
            shutil.rmtree(PROJECT / folder, ignore_errors=True)
        (PROJECT / MAIN).write_bytes(before)
        raise


if __name__ == "__main__":
    sys.exit(main())
