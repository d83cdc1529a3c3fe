"""The page on the first hour, step by step as it is written, on a service that somebody has just made."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.histories import CURRENT, History
from tests.services import free_address, press_ctrl_c, run, started, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(1800)]

SOMEBODY = {
    f"GIT_{role}_{part}": "somebody" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
}


def made(baker: Baker, past: History, folder: Path) -> Path:
    create = ["cookiecutter", past.url, "--checkout", CURRENT, "--no-input", "--output-dir", str(folder)]
    done = baker.run(*create, cwd=folder)
    assert done.returncode == 0, done.stdout
    [service] = folder.iterdir()
    return service


def steps(service: Path) -> dict[str, list[str]]:
    """Find the commands of each section."""
    _, *sections = (service / "docs/first-hour.md").read_text().split("\n## ")
    blocks = {each.partition("\n")[0]: re.findall(r"```sh\n(.*?)```", each, re.DOTALL) for each in sections}
    return {title: "".join(found).splitlines() for title, found in blocks.items()}


def test_the_first_hour(baker: Baker, past: History, machine: dict[str, str], tmp_path: Path) -> None:
    service, address = made(baker, past, tmp_path), free_address()
    environment = machine | SOMEBODY | {"APP_SERVER__BIND": address}
    page = steps(service)

    def typed(commands: list[str]) -> str:
        here = [each.replace("localhost:8000", address) for each in commands]
        return "".join(
            run("sh", "-c", each, cwd=service, environment=environment, within=1500) for each in here
        )

    def typed_beside_make_dev(commands: list[str]) -> str:
        with started("make", "dev", cwd=service, environment=environment) as process:
            wait_for(f"http://{address}/readyz", process, within=300)
            said = typed(commands)
            press_ctrl_c(process)
        return said

    run("uv", "lock", "--quiet", cwd=service, environment=machine)
    typed(page["Make it"])
    start, *calls = page["Run it"]
    assert start == "make dev"
    assert typed_beside_make_dev(calls).count("HTTP/1.1 20") == 2
    calls = [each for each in page["Add a resource"] if each.startswith("curl")]
    typed([each for each in page["Add a resource"] if each not in calls])
    said = typed_beside_make_dev(calls)
    assert (said.count("HTTP/1.1 20"), said.count("a@b.example")) == (2, 2)
    typed(page["Call another service"])
    said = typed(page["Stay up to date"])
    assert "This service has the newest version of its template" in said
    assert "is up to date with" in said
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=service, text=True) == ""


@pytest.mark.container
@pytest.mark.usefixtures("compose")
def test_the_first_hour_ends_in_a_container(baker: Baker, machine: dict[str, str], tmp_path: Path) -> None:
    service, address = baker.bake(tmp_path), free_address()
    docker = {name: os.environ[name] for name in ("PATH", "HOME")}  # docker and its configuration.
    docker |= {"COMPOSE_PROJECT_NAME": f"first-hour-{os.getpid()}", "PUBLISH": address}
    run("uv", "lock", "--quiet", cwd=service, environment=machine)
    environment = machine | docker
    up, smoke, down = steps(service)["Ship it"]
    try:
        run(*up.split(), cwd=service, environment=environment)
        run(*smoke.replace("localhost:8000", address).split(), cwd=service, environment=machine)
        run(*down.split(), cwd=service, environment=environment)
    finally:
        remove = ("docker", "compose", "down", "--volumes", "--rmi", "local")
        run(*remove, cwd=service, environment=environment)
