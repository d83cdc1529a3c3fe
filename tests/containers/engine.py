"""The container engine, by its command line, as users call it."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.baking import Baker
from tests.services import free_address

NOWHERE = "APP_DATABASE__URL=postgresql://nobody@127.0.0.1:1/none"
UID = 10001


def docker(*arguments: str | Path, within: float = 240, **options: Any) -> str:
    """Run a command that must succeed, and return its output."""
    return execute("docker", *arguments, within=within, **options)


def execute(*command: str | Path, within: float = 240, code: int = 0, **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=within,
        check=False,
        **options,
    )
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout[-5000:]}"
    return done.stdout


def inspect(name: str) -> Any:
    return json.loads(docker("inspect", name))[0]


def unique(name: str) -> str:
    return f"{name}-{uuid4().hex[:8]}"


def eventually(condition: Callable[[], object], what: str, within: float = 30) -> None:
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"timed out waiting {what}")


@contextmanager
def container(image: str, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """Start a container as restricted as in a deployment, and remove it at the end."""
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]  # noqa: S108 - In the container.
    hardened += ["--security-opt", "no-new-privileges:true", "--env", NOWHERE]
    name = unique("test")
    try:
        docker("run", "--detach", "--name", name, *hardened, *options, image, *command)
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


@dataclass
class Project:
    """`docker compose` in the folder of a service, with a project name and a port of its own."""

    folder: Path
    overlays: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: unique("test"))
    address: str = field(default_factory=free_address)
    took: float = 0.0

    def compose(self, *arguments: str, within: float = 240) -> str:
        names = ("compose", *(f"deploy/compose/{name}" for name in self.overlays))
        files = [f"--file={name}.yaml" for name in names]
        environment = os.environ | self.variables
        return docker("compose", *files, *arguments, cwd=self.folder, env=environment, within=within)

    @property
    def variables(self) -> dict[str, str]:
        return {"COMPOSE_PROJECT_NAME": self.name, "PUBLISH": self.address} | self.environment

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def anonymous_volumes(self) -> list[str]:
        """Volumes without a name, which `docker compose down` does not delete."""
        mounts = [mount for name in self.containers() for mount in inspect(name)["Mounts"]]
        return [
            mount["Destination"] for mount in mounts if re.fullmatch(r"[0-9a-f]{64}", mount.get("Name", ""))
        ]

    def containers(self, *services: str) -> list[str]:
        return self.compose("ps", "--all", "--quiet", "--orphans=false", *services).split()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start it, and at the end remove it with its data; a failure prints its logs."""
        start = time.perf_counter()
        try:
            self.compose("up", "--wait")
            self.took = time.perf_counter() - start
            yield
        except BaseException:
            print(self.compose("logs", "--tail=30"))  # noqa: T201 - pytest shows it with the failure.
            raise
        finally:
            self.compose("down", "--volumes", "--timeout=5")


def committed(baker: Baker, service: Path) -> None:
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "All of it"]):
        execute("git", *command, cwd=service, env=baker.environment(service))


def copied(service: Path, folder: Path) -> Path:
    return shutil.copytree(service, folder / service.name)
