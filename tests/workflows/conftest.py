import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.services import run
from tests.workflows.act import HERE, OWNER, Act


@pytest.fixture(scope="session")
def template_origin(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository of the template as it is released, with the version's tag on its only commit."""
    folder = tmp_path_factory.mktemp("origin") / "template"
    shutil.copytree(baker.template, folder, ignore=shutil.ignore_patterns(".git"))
    changelog = folder / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("(unreleased)", "(2026-12-01)"))
    return committed(folder, baker)


@pytest.fixture(scope="session")
def service_origin(baker: Baker, machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository of a service with its lock."""
    service = baker.bake(tmp_path_factory.mktemp("origin"))
    run("uv", "lock", "--quiet", cwd=service, environment=machine)
    return committed(service, baker)


def committed(folder: Path, baker: Baker) -> Path:
    git = baker.environment(folder)
    # act takes the name of the repository from it.
    github = f"remote add origin https://github.com/{OWNER}/{folder.name}"
    for command in ("init -q -b main", "add --all", "commit -q -m All", "tag v0.1.0", github):
        run("git", *command.split(), cwd=folder, environment=git)
    return folder


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the jobs of one run a cache to share: each is a checkout of the same."""
    return str(tmp_path_factory.mktemp("mypy"))


@pytest.fixture
def template(template_origin: Path, machine: dict[str, str], mypy_cache: str, tmp_path: Path) -> Act:
    return with_programs(Act(template_origin, machine, tmp_path, {"MYPY_CACHE_DIR": mypy_cache}))


@pytest.fixture
def service(service_origin: Path, machine: dict[str, str], mypy_cache: str, tmp_path: Path) -> Act:
    return Act(service_origin, machine, tmp_path, {"MYPY_CACHE_DIR": mypy_cache})


@pytest.fixture
def released(service: Act) -> Act:
    """Give a service for what reaches a registry, a swarm or GitHub: stand-ins are there instead."""
    return with_programs(service)


def with_programs(act: Act) -> Act:
    path = f"{HERE / 'programs'}:{act.machine['PATH']}"
    return replace(act, machine=act.machine | {"PATH": path})
