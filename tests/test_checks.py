"""Each combination of options passes its own `make check`, on the Python that it asks for."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.services import run
from tests.test_bakes import QUESTIONS

OLDER, NEWER = QUESTIONS["python_version"]
LICENCES = QUESTIONS["license"]
# A check takes two minutes, and manifests change nothing in it: each carries one value of that option.
KUBERNETES = {
    OLDER: dict(zip(LICENCES, ("no", "yes", "no"), strict=True)),
    NEWER: dict(zip(LICENCES, ("yes", "no", "yes"), strict=True)),
}
OTHERS = [pytest.param(each, marks=pytest.mark.slow) for each in LICENCES[1:]]
IMAGE = f"python:{NEWER}-slim"

# A check keeps two cores busy, and some of its tests watch the clock.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


def answers(python: str, licence: str) -> dict[str, str]:
    return {"python_version": python, "license": licence, "kubernetes": KUBERNETES[python][licence]}


def test_every_two_answers_meet_in_a_check() -> None:
    checks = [answers(python, licence) for python in KUBERNETES for licence in LICENCES]
    for one, other in itertools.combinations(checks[0], 2):
        met = {(check[one], check[other]) for check in checks}
        assert met == set(itertools.product(QUESTIONS[one], QUESTIONS[other]))


@pytest.mark.parametrize("licence", [LICENCES[0], *OTHERS])
def test_a_service_passes_its_own_check(
    baker: Baker, machine: dict[str, str], tmp_path: Path, licence: str
) -> None:
    service = baker.bake(tmp_path, answers(OLDER, licence))
    run("make", "check", cwd=service, environment=machine, within=600)


@pytest.fixture(scope="module")
def container(engine: None) -> Iterator[str]:
    """Start a machine that has the newer Python and make, and neither uv nor git."""
    del engine
    start = ["docker", "run", "--detach", "--rm", "--init", IMAGE, "sleep", "3600"]
    name = subprocess.check_output(start, text=True).strip()
    try:
        inside(name, "apt-get", "-qq", "update")
        inside(name, "apt-get", "-qq", "install", "--yes", "--no-install-recommends", "make")
        yield name
    finally:
        subprocess.run(["docker", "kill", name], capture_output=True, check=True)


@pytest.mark.slow
@pytest.mark.container
@pytest.mark.parametrize("licence", LICENCES)
def test_a_service_for_the_newer_python_passes_its_own_check(
    baker: Baker, container: str, tmp_path: Path, licence: str
) -> None:
    service = baker.bake(tmp_path, answers(NEWER, licence))
    inside(container, "rm", "-rf", "/service")
    subprocess.run(["docker", "cp", "--quiet", service, f"{container}:/service"], check=True)

    inside(container, "make", "check")

    assert inside(container, ".venv/bin/python", "--version").startswith(f"Python {NEWER}.")


def inside(container: str, *command: str) -> str:
    folder = "/service" if command[0] in ("make", ".venv/bin/python") else "/"
    done = subprocess.run(
        ["docker", "exec", "--workdir", folder, container, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
