"""A service as its users have it: on a machine with Python, pip and make, by the commands they type."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from tests.baking import Baker

# How this machine reaches a package index is not what a user types; where it is CI, Hypothesis draws the same
# examples each time.
PASSED_ON = re.compile(
    r"SSL_CERT_(FILE|DIR)|PIP_.*|UV_(DEFAULT_INDEX|INDEX.*)|(https?|all|no)_proxy|TMPDIR|CI", re.IGNORECASE
)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the environment of a machine that has uv, and has used it before."""
    return with_uv(fresh_machine(tmp_path_factory.mktemp("machine")))


@pytest.fixture(scope="session")
def service(baker: Baker, tmp_path_factory: pytest.TempPathFactory, machine: dict[str, str]) -> Path:
    """Make the default service, installed and compiled; tests run it, and change none of its files."""
    service = baker.bake(tmp_path_factory.mktemp("service"))
    run("uv", "sync", "--quiet", "--compile-bytecode", cwd=service, environment=machine)
    return service


@pytest.fixture(scope="session")
def chassis(service: Path, machine: dict[str, str]) -> Path:
    """Give the folder of the service's chassis, whose own tests may run: what they need is installed too."""
    extras = ("--inexact", "--all-extras", "--package", "service-chassis")
    run("uv", "sync", "--quiet", *extras, cwd=service, environment=machine)
    return service / "chassis"


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip where there is no engine for containers."""
    needs("docker info")


@pytest.fixture(scope="session")
def compose(engine: None) -> None:
    """Skip where the engine lacks what builds images, or what runs several at once: each is a plugin."""
    del engine
    needs("docker buildx version", "docker compose version")


def needs(*commands: str) -> None:
    for command in commands:
        # A shell, which says of a missing program what it says of one that fails.
        if subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode:
            pytest.skip(f"`{command}` fails: there is no engine for containers here, or not all of it")


@pytest.fixture(scope="session")
def server_process(service: Path) -> Any:
    """Give the class by which a service's own tests run its server.

    Its module by itself: all that chassis.testing imports is installed for the service alone.
    """
    sources = service / "chassis/src"
    spec = util.spec_from_file_location("server_process", sources / "chassis/testing/_server_process.py")
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(sources)
        spec.loader.exec_module(module)
    return module.ServerProcess


def fresh_machine(folder: Path) -> dict[str, str]:
    """Make an empty home folder, and a PATH whose uv is a shim that fails; little else of this one stays."""
    home, programs = folder / "home", folder / "programs"
    home.mkdir()
    programs.mkdir()
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (programs / "python3").symlink_to(python)
    for name in ("uv", "uvx"):
        (programs / name).write_text("#!/bin/sh\necho 'uv: command not found in this Python' >&2\nexit 127\n")
        (programs / name).chmod(0o755)
    passed_on = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    return {**passed_on, "HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin", "LANG": "C.UTF-8"}


def with_uv(machine: dict[str, str]) -> dict[str, str]:
    """Add the uv that runs these tests, and its cache: to fetch everything once is enough."""
    uv = running_uv()
    cache = subprocess.check_output([uv, "cache", "dir"], text=True).strip()
    return {**machine, "PATH": f"{uv.parent}:{machine['PATH']}", "UV_CACHE_DIR": cache}


def running_uv() -> Path:
    found = os.environ.get("UV") or shutil.which("uv")
    assert found, "uv runs these tests: make test"
    return Path(found)


def run(*command: str, cwd: Path, environment: dict[str, str], within: float = 600) -> str:
    """Run a command that must succeed, and return all that it said."""
    with started(*command, cwd=cwd, environment=environment) as process:
        said, _ = process.communicate(timeout=within)
    assert process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}:\n{said}"
    return said


@contextmanager
def started(*command: str, cwd: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a command as a terminal does, as the head of a group; at the end nothing of the group is left."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**environment, "PWD": str(cwd)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            with_patience(process)


def with_patience(process: subprocess.Popen[str]) -> str:
    """Wait for the end of what has been told to end, and return what it still said."""
    try:
        return process.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise


def press_ctrl_c(process: subprocess.Popen[str]) -> str:
    os.killpg(process.pid, signal.SIGINT)
    return with_patience(process)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(method: str, url: str, content: object = None, **headers: str) -> Answer:
    """Send a request; what is not bytes already goes as JSON."""
    body = content if isinstance(content, bytes | None) else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"} | headers
    request = Request(url, data=body, method=method, headers=headers)  # noqa: S310 - Our own service's.
    try:
        response = urlopen(request, timeout=60)  # noqa: S310 - As above.
    except HTTPError as error:
        response = error
    with response:
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, names, response.read().decode())


def wait_for(url: str, process: subprocess.Popen[Any], within: float = 120) -> None:
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if call("GET", url).status == 200:
                return
        except (URLError, ConnectionError):
            assert process.poll() is None, f"it ended with {process.returncode}: {process.communicate()[0]}"
            time.sleep(0.01)
    raise TimeoutError(url)


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"
