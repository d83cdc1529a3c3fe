"""The image, run with the user, limits, volumes, settings and secrets of the manifests."""

import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import trustme

from tests.kubernetes.conftest import Rendered
from tests.kubernetes.containers import SecretVolume, ask, docker, flags, wait_until
from tests.kubernetes.manifests import PASSWORD, container, environment, only, pod
from tests.measurements import Measure

# One container for all of them, which some watch by the clock.
pytestmark = [pytest.mark.container, pytest.mark.heavy, pytest.mark.timeout(600)]

NAME = f"kubernetes-test-{uuid4().hex[:8]}"
# The properties of the pod's own processes, whatever the engine got as flags.
INSIDE = """
import os, pathlib
from app.settings import Settings
status = dict(line.split(":\\t", 1) for line in open("/proc/1/status").read().splitlines() if ":\\t" in line)
print(status["Uid"].split(), status["CapEff"], status["NoNewPrivs"])
for path in ("/service", "/run/secrets", "/home", "/tmp"):
    print(path, os.access(path, os.W_OK))
print(Settings.load().database.password.get_secret_value())
"""


@pytest.fixture(scope="module")
def image(deployed: Path, rendered: Rendered, compose: None) -> Iterator[str]:
    del (
        rendered,
        compose,
    )  # Only so that nothing is built where it cannot be, or where nothing can be rendered.
    docker("build", "--quiet", "--tag", NAME, str(deployed), within=240)
    yield NAME
    docker("rmi", "--force", NAME)


@pytest.fixture(scope="module")
def network(image: str) -> Iterator[str]:
    """Make a network with a PostgreSQL where the settings say that it is."""
    del image  # Only so that nothing is started where there is no engine.
    names = {"POSTGRES_USER": "service", "POSTGRES_DB": "service", "POSTGRES_PASSWORD": PASSWORD}
    given = [f"--env={name}={value}" for name, value in names.items()]
    where = [f"--network={NAME}", "--network-alias=postgresql.example.com", f"--name={NAME}-database"]
    docker("network", "create", NAME)
    try:
        docker("run", "--detach", "--rm", *where, *given, "postgres:18")
        asking = [
            "docker",
            "exec",
            f"{NAME}-database",
            "pg_isready",
            "--host=127.0.0.1",
            "--username=service",
        ]
        wait_until(
            lambda: subprocess.run(asking, capture_output=True, check=False).returncode == 0, within=60
        )
        yield NAME
    finally:
        subprocess.run(["docker", "rm", "--force", f"{NAME}-database"], capture_output=True, check=False)
        docker("network", "rm", NAME)


@dataclass
class Pod:
    name: str
    host: str
    certificates: SecretVolume
    authority: trustme.CA

    def __post_init__(self) -> None:
        self.port = int(docker("port", self.name, "8000/tcp").rpartition(":")[2])
        self.context = ssl.create_default_context()
        self.authority.configure_trust(self.context)

    def ask(self, path: str) -> tuple[int, str, str]:
        return ask(self.port, path, self.context, self.host)

    def status(self, path: str) -> int:
        return self.ask(path)[0]


def issued(authority: trustme.CA, host: str, name: str) -> dict[str, str]:
    leaf = authority.issue_cert(host, common_name=name)
    chain = "".join(blob.bytes().decode() for blob in leaf.cert_chain_pems)
    return {"tls.crt": chain, "tls.key": leaf.private_key_pem.bytes().decode()}


class Node:
    """Starts what production's manifests say; the PostgreSQL here has no TLS, and nothing else differs."""

    def __init__(self, rendered: Rendered, folder: Path) -> None:
        self.rendered, self.folder = rendered, folder
        manifests = rendered["production"]
        self.authority = trustme.CA()
        self.host = only(manifests, "BackendTLSPolicy")["spec"]["validation"]["hostname"]
        group = pod(manifests)["spec"]["securityContext"]["fsGroup"]
        [mode] = {
            each["secret"]["defaultMode"] for each in pod(manifests)["spec"]["volumes"] if "secret" in each
        }
        content = {
            "secrets": {"app_database__password": PASSWORD},
            "tls": issued(self.authority, self.host, "first"),
        }
        self.volumes = {
            name: SecretVolume(folder / name, files, mode=mode, group=group)
            for name, files in content.items()
        }

    def flags(self, step: str) -> list[str]:
        manifests = self.rendered[step]
        url = environment(manifests)["APP_DATABASE__URL"].partition("?")[0] + "?sslmode=disable"
        folders = {name: volume.folder for name, volume in self.volumes.items()}
        return [*flags(manifests, folders), f"--env=APP_DATABASE__URL={url}", f"--network={NAME}"]


@pytest.fixture(scope="module")
def node(network: str, rendered: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Node:
    del network
    return Node(rendered, tmp_path_factory.mktemp("kubelet"))


@pytest.fixture(scope="module")
def migrated(node: Node, image: str) -> str:
    """Run the Job, and return its output."""
    command = ["docker", "run", "--rm", *node.flags("production/migrate"), image]
    command += container(node.rendered["production/migrate"])["args"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def running(node: Node, image: str, migrated: str) -> Iterator[Pod]:
    del migrated
    name = f"{NAME}-api"
    docker("run", "--detach", f"--name={name}", "--publish=127.0.0.1::8000", *node.flags("production"), image)
    with ExitStack() as stack:
        stack.callback(subprocess.run, ["docker", "rm", "--force", name], capture_output=True, check=False)
        yield Pod(name, node.host, node.volumes["tls"], node.authority)


def test_the_probes_succeed(running: Pod, measure: Measure) -> None:
    start = time.perf_counter()
    wait_until(lambda: running.status("/livez") == 200, within=60)
    measure("a pod's start until /livez, limited to 1 CPU", time.perf_counter() - start)
    status, body, _ = running.ask("/readyz")
    assert (status, body) == (200, '{"status":"ok","database":"ok"}')


def test_the_security_context_is_in_force(running: Pod) -> None:
    wait_until(lambda: running.status("/livez") == 200, within=60)
    said = docker("exec", running.name, "python", "-c", INSIDE).splitlines()
    assert said == [
        "['10001', '10001', '10001', '10001'] 0000000000000000 1",
        *("/service False", "/run/secrets False", "/home False", "/tmp True"),  # noqa: S108 - Asked for inside.
        PASSWORD,
    ]


def test_a_renewed_certificate_is_served_without_a_restart(running: Pod) -> None:
    wait_until(lambda: running.status("/livez") == 200, within=60)
    running.certificates.swap(issued(running.authority, running.host, "second"))
    wait_until(lambda: "second" in running.ask("/livez")[2], within=20)
    assert docker("logs", running.name).count("new certificate in use") == 1


def test_a_pod_serves_while_it_drains_and_ends_before_its_grace_period(
    running: Pod, node: Node, measure: Measure
) -> None:
    wait_until(lambda: running.status("/livez") == 200, within=60)
    drain = float(environment(node.rendered["production"])["APP_SERVER__DRAIN"])
    grace = pod(node.rendered["production"])["spec"]["terminationGracePeriodSeconds"]
    start = time.perf_counter()
    docker("kill", "--signal=TERM", running.name)
    wait_until(lambda: running.status("/readyz") == 503, within=5)
    while time.perf_counter() - start < drain - 2:
        assert running.status("/v1/orders") == 200
        time.sleep(0.5)

    assert docker("wait", running.name) == "0"
    took = time.perf_counter() - start
    measure("a pod's stop, drain included", took)
    assert drain < took < grace
