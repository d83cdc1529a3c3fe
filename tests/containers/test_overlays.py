"""The overlays of compose: HTTPS, reloading code, three replicas behind a proxy."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import Project, copied, docker, eventually, execute
from tests.server.load import Load
from tests.services import call, run

pytestmark = [
    pytest.mark.container,
    pytest.mark.heavy,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("image"),
]

IN_AUTHORITY = ("run", "--rm", "--no-deps", "--entrypoint", "cat", "certificates")
CLIENT = ("/authority/client.crt", "/authority/client.key")


def test_the_code_of_the_folder_is_served_as_it_changes(packed: Path, tmp_path: Path) -> None:
    service = copied(packed, tmp_path)
    changed = service / "src/app/orders/errors.py"
    project = Project(service, ("dev",))
    with project.running():
        url = f"http://{project.address}/v1/orders/00000000-0000-7000-8000-000000000000"
        assert says(url, "There is no such order")
        changed.write_text(changed.read_text().replace("There is no such", "There never was such an"))
        eventually(lambda: says(url, "There never was such an order"), "for the new code")


def says(url: str, text: str) -> bool:
    try:
        return text in call("GET", url).body
    except OSError:  # It starts again.
        return False


@pytest.fixture(scope="module")
def secure(packed: Path, image: str) -> Iterator[Project]:
    assert image
    project = Project(packed, ("tls",), {"CLIENT_CERTS": "required"})
    with project.running():
        yield project


def trusting(project: Project, folder: Path) -> ssl.SSLContext:
    project.compose("cp", "app:/certificates/ca.crt", str(folder))
    return ssl.create_default_context(cafile=str(folder / "ca.crt"))


def curl(project: Project, *options: str | Path) -> str:
    options = ("--silent", "--show-error", "--write-out", "%{http_code}", "--output", "/dev/null", *options)
    url = f"https://localhost:{project.port}/readyz"
    return subprocess.run(
        ["curl", *options, url], capture_output=True, text=True, timeout=30, check=False
    ).stdout


def test_the_service_speaks_tls_with_a_ca_made_on_first_use(secure: Project, tmp_path: Path) -> None:
    trusting(secure, tmp_path)
    certificate = tmp_path / "client.pem"
    said = secure.compose(*IN_AUTHORITY, *CLIENT)
    certificate.write_text(said[said.index("-----BEGIN") :])
    trusted = ("--cacert", tmp_path / "ca.crt")

    assert curl(secure, *trusted, "--cert", certificate) == "200"
    assert curl(secure, *trusted) == "000", "without a client certificate"
    assert curl(secure, "--cert", certificate) == "000", "without the CA"
    assert "authority" not in secure.compose("exec", "app", "ls", "/", "/certificates")


def test_another_up_keeps_the_certificates(secure: Project) -> None:
    files = ("sha256sum", "/certificates/ca.crt", "/certificates/server.crt")
    before = secure.compose("exec", "app", *files)
    secure.compose("up", "--wait", "--force-recreate")
    assert secure.compose("exec", "app", *files) == before


def test_make_up_adds_overlays_and_make_down_keeps_their_volumes(
    packed: Path, tmp_path: Path, machine: dict[str, str]
) -> None:
    service = copied(packed, tmp_path)
    project = Project(service, ("tls",), {"IMAGE": f"{packed.name}:local"})
    environment = machine | project.variables | {name: os.environ[name] for name in ("PATH", "HOME")}
    run("uv", "lock", "--quiet", cwd=service, environment=machine)
    try:
        run("make", "up", "with=tls", cwd=service, environment=environment)
        trusting(project, tmp_path)
        assert curl(project, "--cacert", tmp_path / "ca.crt") == "200"
        run("make", "down", cwd=service, environment=environment)
        assert project.containers() == []
        assert f"{project.name}_authority" in docker("volume", "ls", "--quiet").split()
    finally:
        project.compose("down", "--volumes", "--timeout=5")


@pytest.fixture(scope="module")
def scaled(packed: Path, image: str) -> Iterator[Project]:
    assert image
    project = Project(packed, ("tls", "scale"))
    with project.running():
        yield project


async def test_a_replica_that_dies_costs_no_request(scaled: Project, tmp_path: Path) -> None:
    context = trusting(scaled, tmp_path)
    replicas = scaled.containers("app")
    assert len(replicas) == 3
    async with Load(scaled.port, path="/v1/orders", clients=4, context=context).running() as load:
        await load.reach(100)
        await asyncio.to_thread(docker, "kill", replicas[0])
        await load.reach(load.answered + 500)
    assert load.failures == {}


def test_scale_has_no_anonymous_volume(scaled: Project) -> None:
    assert scaled.anonymous_volumes() == []


def test_a_replica_that_hangs_costs_a_second(scaled: Project, tmp_path: Path) -> None:
    """A POST goes to another replica too if the first has not read it."""
    trusting(scaled, tmp_path)
    url = f"https://localhost:{scaled.port}/v1/orders"
    secure = ("curl", "--silent", "--max-time", "3", "--cacert", tmp_path / "ca.crt", url)
    hanging = scaled.containers("app")[-1]
    docker("pause", hanging)
    try:
        for number in range(9):
            order = f'{{"reference": "S-{number}", "amount": "1", "currency": "EUR"}}'
            assert '"status":"placed"' in execute(*secure, "--json", order)
        assert execute(*secure).count('"reference":"S-') == 9
    finally:
        docker("unpause", hanging)
