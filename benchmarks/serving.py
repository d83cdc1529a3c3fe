"""A server for the length of a block, bound to its cores; nothing of it is left afterwards."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contestants import SERVICE, Contestant
from benchmarks.environments import APPS, Environments, clean
from benchmarks.plan import POOL
from benchmarks.stopping import StoppedError

PATIENCE = 30.0


@dataclass(frozen=True)
class Cores:
    """Who runs where: one core serves, another has the load and the database."""

    server: int
    others: int
    pair: tuple[int, int]
    """For two workers. With two cores in all, the second is the others'."""

    @classmethod
    def available(cls) -> "Cores":
        server, *others = sorted(os.sched_getaffinity(0))
        if not others:
            raise StoppedError(
                "The benchmark needs two cores: one for the server, one for the load and the database."
            )
        return cls(server, others[0], (server, others[-1]))


@dataclass(frozen=True)
class Server:
    pid: int
    """Of its first process: the master, where there is one."""
    url: str
    start: float
    """Seconds until the first answer with 200."""


@dataclass(frozen=True)
class Start:
    """What a server is started with."""

    environments: Environments
    database: str
    cores: Sequence[int]
    workers: int = 1
    settings: dict[str, str] = field(default_factory=dict)
    """More settings of the service."""

    def environment(self, contestant: Contestant, port: int) -> dict[str, str]:
        ours = {"DATABASE": self.database, "POOL": str(POOL)}
        match contestant.environment:
            case "service":
                ours = {"APP_DATABASE__URL": self.database, "APP_SERVER__BIND": f"127.0.0.1:{port}"}
                ours |= {"APP_SERVER__WORKERS": str(self.workers), **self.settings}
            case "s3rius":
                ours |= {"PEER_PORT": str(port), "PEER_RELOAD": "false"}
        return clean(os.environ) | ours

    def folder(self, contestant: Contestant) -> Path:
        own = {"service", "s3rius"}
        return self.environments.home(contestant.environment) if contestant.environment in own else APPS


@contextmanager
def serving(start: Start, contestant: Contestant = SERVICE) -> Iterator[Server]:
    port = free_port()
    log = start.environments.folder / f"{contestant.name}.log"
    pinned = ("taskset", "--cpu-list", ",".join(map(str, start.cores)))
    began = time.perf_counter()
    with running(
        (*pinned, *start.environments.command(contestant, port)),
        log,
        cwd=start.folder(contestant),
        env=start.environment(contestant, port),
    ) as process:
        tls = "APP_SERVER__TLS__CERTFILE" in start.settings
        wait_until(lambda: answers(port, contestant.livez, tls=tls), process, log)
        took = time.perf_counter() - began
        yield Server(process.pid, f"{'https' if tls else 'http'}://127.0.0.1:{port}", took)


@contextmanager
def running(command: Sequence[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of the block; then it and all that it has started are killed."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],  # Should we be killed, so is it.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # Where the access lines of those go who write them.
            stderr=errors,
            start_new_session=True,
            **options,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            said = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise StoppedError(f"{log.stem} does not start: {said[-1]}")
        time.sleep(0.005)


def answers(port: int, path: str, *, tls: bool = False) -> bool:
    context = ssl._create_unverified_context() if tls else None  # noqa: S323, SLF001 - The certificate is our own.
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    )
    with closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
