"""A service that adds something to itself, by `make resource` or `make upstream`, and what it says of it."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.resources import commit, git, made_by_a_repository
from tests.services import run, started

START = "start"


@pytest.fixture(scope="session")
def template(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Baker:
    """A repository of the template, which may be moved away."""
    folder = tmp_path_factory.mktemp("repository") / "template"
    shutil.copytree(baker.template, folder)
    return Baker(folder, baker.home)


@pytest.fixture(scope="session")
def started_with(template: Baker, machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    service = made_by_a_repository(template, tmp_path_factory.mktemp("service"))
    run("uv", "sync", "--quiet", "--compile-bytecode", cwd=service, environment=machine)
    commit(service, "Start")
    git(service, "tag", START)
    return service


@pytest.fixture
def ours(started_with: Path) -> Iterator[Path]:
    """The service, which is as it was at the start again after the test."""
    yield started_with
    begin_again(started_with)


def begin_again(service: Path) -> None:
    git(service, "reset", "--quiet", "--hard", START)
    git(service, "clean", "-qdf")


def ask(what: str, service: Path, machine: dict[str, str], **answers: str) -> tuple[int, str]:
    command = ["make", "--no-print-directory", what, *(f"{key}={value}" for key, value in answers.items())]
    with started(*command, cwd=service, environment=machine) as process:
        said, _ = process.communicate(timeout=300)
    # What make itself says of an exit code.
    lines = [line for line in said.splitlines(keepends=True) if not line.startswith("make: ***")]
    return process.returncode, "".join(lines)


def contents(service: Path) -> dict[str, bytes]:
    listed = git(service, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {name: (service / name).read_bytes() for name in listed if (service / name).is_file()}


def refused(
    what: str, usual: Mapping[str, str], service: Path, machine: dict[str, str], why: str, **answers: str
) -> None:
    """Ask for something usual, with these answers in place of its own: a line says why not."""
    before = contents(service)
    code, said = ask(what, service, machine, **{**usual, **answers})
    assert why in said
    assert said.startswith(f"make {what}: ")
    assert (len(said.splitlines()), code) == (1, 2), said
    assert contents(service) == before
