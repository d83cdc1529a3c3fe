"""The way from a folder to a package: the chassis is built, put among wheels, and its folder removed.

So a platform team gives fifty services one chassis; chassis/docs/publishing.md of a service says how.
"""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.baking import ROOT, SERVICE, Baker
from tests.services import run

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.timeout(1800)]

IN_THE_TREE = """[tool.uv.sources]
service-chassis = { workspace = true }
"""
AMONG_WHEELS = """[tool.uv]
find-links = ["wheels"]
"""


@pytest.fixture(scope="module")
def published(baker: Baker, machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a service that has the chassis from a folder of wheels, as the page for platform teams says."""
    service = baker.bake(tmp_path_factory.mktemp("published"))
    build = (
        "uv",
        "build",
        "--quiet",
        "--wheel",
        "--package",
        "service-chassis",
        "--out-dir",
        "wheels",
        "--no-create-gitignore",
    )
    run(*build, cwd=service, environment=machine)
    shutil.rmtree(service / "chassis")
    project = service / "pyproject.toml"
    before, _, after = project.read_text().partition("[tool.uv.workspace]")
    _, _, after = after.partition(IN_THE_TREE)
    assert after, "the source of the chassis stands elsewhere now"
    project.write_text(before + AMONG_WHEELS + after)
    run("uv", "lock", "--quiet", cwd=service, environment=machine)
    return service


def test_the_wheel_holds_the_whole_chassis(published: Path) -> None:
    [wheel] = (published / "wheels").iterdir()
    listed = subprocess.check_output(["python3", "-m", "zipfile", "--list", wheel], text=True)
    for part in ("database/__init__.py", "testing/schemathesis.toml", "dev/postgres.py", "py.typed"):
        assert f"chassis/{part} " in listed
    assert "tests/" not in listed


def test_the_chassis_has_the_version_of_the_template_that_brings_it() -> None:
    projects = (ROOT / "pyproject.toml", ROOT / SERVICE / "chassis/pyproject.toml")
    versions = {re.findall(r'^version = "(.+)"$', path.read_text(), re.MULTILINE)[0] for path in projects}
    assert len(versions) == 1


def test_its_lock_names_no_folder_of_this_machine(published: Path) -> None:
    lock = (published / "uv.lock").read_text()
    [source] = [
        each["source"] for each in tomllib.loads(lock)["package"] if each["name"] == "service-chassis"
    ]
    assert source == {"registry": "wheels"}
    assert str(published) not in lock


def test_a_service_with_the_published_chassis_passes_its_check(
    published: Path, machine: dict[str, str]
) -> None:
    run("make", "check", cwd=published, environment=machine, within=1500)
    assert "this service installs a published chassis" in run(
        "make", "check-chassis", cwd=published, environment=machine
    )


@pytest.mark.container
@pytest.mark.usefixtures("compose")
def test_its_image_is_built_and_serves(published: Path, machine: dict[str, str]) -> None:
    """Wheels of a folder go into the image's context; of an index nothing has to be changed."""
    dockerfile, ignored = published / "Dockerfile", published / ".dockerignore"
    dockerfile.write_text(
        dockerfile.read_text().replace("\nCOPY README.md ", "\nCOPY wheels wheels\nCOPY README.md ", 1)
    )
    ignored.write_text(f"{ignored.read_text()}!wheels\n")
    image = f"published-{os.getpid()}"
    docker = machine | {name: os.environ[name] for name in ("PATH", "HOME")}
    try:
        run("docker", "build", "--quiet", "--tag", image, ".", cwd=published, environment=docker)
        asked = "import app.main, chassis; print(chassis.__file__)"
        said = run("docker", "run", "--rm", image, "python", "-c", asked, cwd=published, environment=docker)
    finally:
        subprocess.run(["docker", "rmi", "--force", image], capture_output=True, check=False)
    assert said.strip().startswith("/service/.venv/lib/")


def test_without_uv_both_packages_are_installed_by_pip(
    baker: Baker, machine: dict[str, str], tmp_path: Path
) -> None:
    service = baker.bake(tmp_path)
    run("python3", "-m", "venv", "environment", cwd=tmp_path, environment=machine)
    python = str(tmp_path / "environment/bin/python")
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "./chassis", ".")
    run(python, *install, cwd=service, environment=machine)
    run(python, "-c", "import app.main", cwd=tmp_path, environment=machine)


def test_the_folder_alone_is_a_project(baker: Baker, machine: dict[str, str], tmp_path: Path) -> None:
    """As a platform team has it, in a repository of its own."""
    alone = Path(shutil.copytree(baker.bake(tmp_path) / "chassis", tmp_path / "alone"))
    (alone / ".python-version").write_text("3.13\n")
    run("uv", "lock", "--quiet", cwd=alone, environment=machine)
    said = run("uv", "run", "--quiet", "pytest", "tests/test_pages.py", cwd=alone, environment=machine)
    assert " passed" in said or "[100%]" in said
