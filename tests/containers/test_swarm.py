"""A rolling update and a rollback in Docker Swarm, under load."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.containers.engine import docker, eventually, execute
from tests.measurements import Measure
from tests.server.load import Load, until
from tests.services import call, free_address

pytestmark = [pytest.mark.container, pytest.mark.heavy, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Stack:
    folder: Path
    port: str

    @property
    def name(self) -> str:
        return self.folder.name

    def deploy(self, image: str) -> None:
        environment = os.environ | {"IMAGE": image, "PORT": self.port}
        command = (
            "stack",
            "deploy",
            "--detach=true",
            "--resolve-image=never",
            "--compose-file=deploy/compose/swarm.yaml",
        )
        docker(*command, self.name, cwd=self.folder, env=environment)

    def tell(self, template: str) -> str:
        return docker("service", "inspect", "--format", template, f"{self.name}_app").strip()

    def serves(self) -> bool:
        try:
            return call("GET", f"http://127.0.0.1:{self.port}/readyz").status == 200 and self.running() == 3
        except OSError:
            return False

    def running(self) -> int:
        options = ("--filter=desired-state=running", "--format={{.CurrentState}}")
        return docker("service", "ps", *options, f"{self.name}_app").count("Running")

    def remove(self) -> None:
        docker("stack", "rm", self.name)
        mine = f"--filter=label=com.docker.stack.namespace={self.name}"
        eventually(lambda: not docker("ps", "--all", "--quiet", mine), "for the stack to be gone", 60)
        docker("volume", "rm", "--force", f"{self.name}_database")
        eventually(lambda: not docker("network", "ls", "--quiet", mine), "for its networks to be gone", 60)


@pytest.fixture(scope="module")
def swarm() -> Iterator[str]:
    """Give the node of a swarm; a swarm that this made ends with the tests."""
    is_new = docker("info", "--format={{.Swarm.LocalNodeState}}").strip() == "inactive"
    if is_new:
        docker("swarm", "init", "--advertise-addr=127.0.0.1")
    try:
        node = docker("info", "--format={{.Swarm.NodeID}}").strip()
        docker("node", "update", "--label-add=database=true", node)
        yield node
    finally:
        if is_new:
            docker("swarm", "leave", "--force")


@pytest.fixture(scope="module")
def stack(swarm: str, packed: Path, image: str) -> Iterator[Stack]:
    assert swarm
    stack = Stack(packed, free_address().rpartition(":")[2])
    with ExitStack() as undo:
        for role in ("service", "postgres"):
            name = f"{stack.name}-{role}-password"
            execute("docker", "secret", "create", name, "-", input=secrets.token_hex())
            undo.callback(docker, "secret", "rm", name)
        undo.callback(stack.remove)
        stack.deploy(image)
        eventually(stack.serves, "for three replicas", 90)
        yield stack


@pytest.fixture
def another(image: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Make an image of the next version, with the one variable that the test asks for."""
    name = f"{image.partition(':')[0]}:next"
    execute("docker", "build", "--tag", name, "-", input=f"FROM {image}\nENV {request.param}\n")
    yield name
    docker("image", "rm", "--force", name)


async def updated(stack: Stack, image: str, until_state: str) -> Load:
    async with Load(int(stack.port), path="/v1/orders", clients=4).running() as load:
        await load.reach(50)
        await asyncio.to_thread(stack.deploy, image)
        await until(lambda: stack.tell("{{.UpdateStatus.State}}") == until_state, f"to be {until_state}", 120)
        await load.reach(load.answered + 50)
    return load


@pytest.mark.parametrize("another", ["APP_DATABASE__URLS=no-setting-has-this-name"], indirect=True)
async def test_a_broken_image_rolls_back_by_itself(
    stack: Stack, image: str, another: str, measure: Measure
) -> None:
    start = asyncio.get_running_loop().time()
    load = await updated(stack, another, "rollback_completed")
    measure("rollback of a broken image in Swarm", asyncio.get_running_loop().time() - start)

    assert load.failures == {}
    assert stack.tell("{{.Spec.TaskTemplate.ContainerSpec.Image}}") == image
    assert stack.running() == 3


@pytest.mark.parametrize("another", ["APP_LOG__LEVEL=DEBUG"], indirect=True)
async def test_a_rolling_update_loses_no_request(stack: Stack, another: str, measure: Measure) -> None:
    start = asyncio.get_running_loop().time()
    load = await updated(stack, another, "completed")
    measure("rolling update of three replicas in Swarm", asyncio.get_running_loop().time() - start)

    assert load.failures == {}
    assert load.answered > 1000
    assert stack.tell("{{.Spec.TaskTemplate.ContainerSpec.Image}}") == another


def test_it_is_as_hardened_as_swarm_allows(stack: Stack) -> None:
    for service in ("app", "proxy", "database"):
        template = "{{json .Spec.TaskTemplate.ContainerSpec}} {{json .Spec.TaskTemplate.Resources}}"
        spec = docker("service", "inspect", "--format", template, f"{stack.name}_{service}")
        assert '"ReadOnly":true' in spec
        assert '"CapabilityDrop":["ALL"]' in spec
        assert '"MemoryBytes"' in spec
        assert '"Pids"' in spec
    assert stack.tell("{{.Spec.TaskTemplate.ContainerSpec.StopGracePeriod}}") == "30s"
