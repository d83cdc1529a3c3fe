"""A value that a target is given is data: neither make nor a shell runs what is in it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.baking import ROOT, SERVICE

# In place of uv and docker: it notes its arguments and its environment.
PROGRAM = """#!/bin/sh
[ "$1" != --version ] || exit 0
printf '%s\\0' "$@" >>"$NOTED"
env -0 >>"$NOTED"
"""
VALUES = [
    '"; touch x; "',
    "'; touch x; '",
    "$(shell touch x)",
    "`touch x`",
    "$$(touch x)",
    "$(touch x) 5 %\\n",
]
SERVICES = {
    "migration": ("name",),
    "downgrade": ("to",),
    "resource": ("name", "fields", "plural", "dry"),
    "upstream": ("name", "url", "dry"),
    "up": ("with", "IMAGE", "PUBLISH"),
    "image": ("IMAGE",),
    "check-migrations": ("base",),
    "check-api": ("base",),
    "check-chassis": ("base",),
    "smoke": ("url",),
    "deploy": ("environment", "image", "url", "migrate"),
    "propose": ("patch", "branch", "title"),
    "update": ("to", "owner"),
    "link": ("template", "to"),
}
TEMPLATES = {
    "bake": ("ANSWERS",),
    "check-bake": ("ANSWERS",),
    "bench": ("QUICK", "ONLY"),
    "release-notes": ("tag",),
}


def cases(targets: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(target, name) for target, names in targets.items() for name in names]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing but the Makefile of a service, and the programs that it starts."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("uv", "docker"):
        (programs / name).write_text(PROGRAM)
        (programs / name).chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(ROOT / SERVICE / "Makefile", folder)
    (folder / "pyproject.toml").write_text('[project]\nname = "orders"\nversion = "1"\n')
    return folder


def noted(folder: Path, target: str, *given: str, **variables: str) -> list[str]:
    """Run a target, and return each argument of each program with each variable of its environment."""
    notes = folder.parent / "noted"
    path = f"{folder.parent / 'programs'}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "NOTED": str(notes), "XDG_CACHE_HOME": str(folder)}
    command = ["make", target, *given]
    done = subprocess.run(command, cwd=folder, env=environment | variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(folder.parent.rglob("x")) == []
    return notes.read_text().split("\0")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("target", "name"), cases(SERVICES))
def test_no_value_of_a_services_target_is_run(folder: Path, target: str, name: str, value: str) -> None:
    others = {"name": "a"} if target == "migration" else {}
    given = [f"{key}={each}" for key, each in (others | {name: value}).items()]

    assert f"{name}={value}" in noted(folder, target, *given)
    assert f"{name}={value}" in noted(folder, target, **(others | {name: value}))


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("target", "name"), cases(TEMPLATES))
def test_no_value_of_the_templates_targets_is_run(folder: Path, target: str, name: str, value: str) -> None:
    baked = folder / "cookiecutter-fastapi-microservice/bake/orders"
    baked.mkdir(parents=True)
    shutil.copy(folder / "Makefile", baked)
    shutil.copy(ROOT / "Makefile", folder)

    notes = noted(folder, target, f"{name}={value}")

    # A make that a make starts, as in check-bake, gets it too.
    assert {note for note in notes if note.startswith(f"{name}=")} == {f"{name}={value}"}
    assert value in notes or name != "ANSWERS"


@pytest.mark.parametrize("value", VALUES)
def test_a_name_reaches_its_program_whole(folder: Path, value: str) -> None:
    assert f"--message={value}" in noted(folder, "migration", f"name={value}")
    assert value in noted(folder, "image", f"IMAGE={value}")


@pytest.mark.parametrize(
    "makefile", [ROOT / "Makefile", ROOT / SERVICE / "Makefile"], ids=["template", "service"]
)
def test_no_recipe_pastes_a_value(makefile: Path) -> None:
    recipes = re.findall(r"^\t@.*", makefile.read_text(), re.MULTILINE)
    ours = {
        "BAKE",
        "COMMAND",
        "LABELS",
        "MAKE",
        "MAKEFILE_LIST",
        "PYTEST",
        "RUN",
        "UV",
        "WITH_DATABASE",
        "WORKFLOWS",
    }

    assert recipes
    assert set(re.findall(r"(?<!\$)\$\((\w+)\)", "".join(recipes))) <= ours
