"""A service passes its own `make check` on the Python that it asks for, whatever else was answered.

So does its chassis, whose suite is long and the same in every service: it runs here and nowhere else.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.baking import Baker, files
from tests.measurements import Measure
from tests.services import run
from tests.test_bakes import COMBINATIONS, OPTIONS, OWNED, QUESTIONS

OLDER, NEWER = QUESTIONS["python_version"]
# The combination that is checked for each Python.
CHECKED = {
    OLDER: {"python_version": OLDER, "license": "MIT", "kubernetes": "no"},
    NEWER: {"python_version": NEWER, "license": "Proprietary", "kubernetes": "yes"},
}
UNREAD = ("LICENSE", *(name for owned in OWNED.values() for name in owned))
IMAGE = f"python:{NEWER}-slim"


@pytest.mark.parametrize("chosen", COMBINATIONS, ids="-".join)
def test_a_combination_differs_from_a_checked_one_in_nothing_that_a_check_reads(
    baker: Baker, tmp_path: Path, chosen: tuple[str, ...]
) -> None:
    """So that two checks of minutes are as good as one for each of the combinations."""
    answers = dict(zip(OPTIONS, chosen, strict=True))
    services = [
        baker.bake(tmp_path / str(index), each) for index, each in enumerate((answers, CHECKED[chosen[0]]))
    ]
    one, other = (
        {name: path.read_bytes() for name, path in files(service).items() if not name.startswith(UNREAD)}
        for service in services
    )
    assert {name for name in one | other if one.get(name) != other.get(name)} == set()


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_chassis_of_a_service_passes_its_own_check(
    baker: Baker, machine: dict[str, str], tmp_path: Path, measure: Measure
) -> None:
    """The service's own runs in tests/workflows/test_service_jobs.py, as a job of its workflow."""
    service = baker.bake(tmp_path, CHECKED[OLDER])
    run("uv", "sync", "--quiet", cwd=service, environment=machine)
    start = time.perf_counter()
    run("make", "check-chassis", cwd=service, environment=machine, within=1500)
    measure("make check-chassis of a service", time.perf_counter() - start)


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


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.container
@pytest.mark.timeout(1800)
def test_a_service_for_the_newer_python_passes_its_own_check(
    baker: Baker, container: str, tmp_path: Path
) -> None:
    service = baker.bake(tmp_path, CHECKED[NEWER])
    subprocess.run(["docker", "cp", "--quiet", service, f"{container}:/service"], check=True)

    for target in ("check", "check-chassis"):
        inside(container, "make", target)

    assert inside(container, ".venv/bin/python", "--version").startswith(f"Python {NEWER}.")


def inside(container: str, *command: str) -> str:
    folder = "/service" if command[0] in ("make", ".venv/bin/python") else "/"
    done = subprocess.run(
        ["docker", "exec", "--workdir", folder, container, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
