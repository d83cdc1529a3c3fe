"""Run the real server on a free port, as `make serve` does, and talk to it.

with ServerProcess({"APP_SERVER__DRAIN": "1"}) as server:
    assert server.status("/livez") == 200
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert "leaving" in server.log
"""

import contextlib
import http.client
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from chassis.dev.project import PROJECT, names

# No database, one worker, and timeouts short enough for a test.
DEFAULTS = {
    "APP_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none",
    "APP_SERVER__WORKERS": "1",
    "APP_SERVER__DRAIN": "0.5",
    "APP_SERVER__LAME_DUCK": "0.2",
}

PATIENCE = 60.0
"""Seconds; a failing test waits for so long."""

MEASURED = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage measures the processes that a test starts; each takes twice as long then."""

_START = "to answer"


def free_port() -> int:
    """Return a port below those that the system gives to clients: one of them could take it before the server does."""
    while True:
        port = random.randrange(10_000, 32_768)  # noqa: S311 - Not a secret.
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


class ServerProcess:
    """A server of the service in `root`, or of another `app`.

    `command` may be another server's; `{port}` in it is replaced.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        app: str = "",
        command: tuple[str, ...] = (),
        root: Path = PROJECT,
        python: str = sys.executable,
    ) -> None:
        self.port = free_port()
        bind = {"APP_SERVER__BIND": f"127.0.0.1:{self.port}"}
        self.environment = os.environ | DEFAULTS | bind | dict(environment or {})
        served = ("gunicorn", app or f"{names(root).application}()")
        program, *arguments = (part.format(port=self.port) for part in command or served)
        # The script and not `python -m gunicorn`, whose upgrade by SIGUSR2 does not find the standard library.
        self.command = [str(Path(python).with_name(program)), *arguments]
        self.root = root
        self.tls = "APP_SERVER__TLS__CERTFILE" in self.environment
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self.lines: list[str] = []

    def start(self) -> Self:
        """Start without waiting."""
        self.process = subprocess.Popen(
            self.command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # A signal to the tests' terminal is none to the server.
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        return self

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until(self.answers, _START)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill it and all its processes. A test of stopping has stopped it already."""
        if MEASURED in self.environment:  # A killed process writes no coverage.
            for _ in range(2):
                self.process.send_signal(signal.SIGTERM)
                time.sleep(0.1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end and return the exit code."""
        code = self.process.wait(timeout)
        self.reader.join(PATIENCE)
        return code

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    @property
    def workers(self) -> list[int]:
        """The workers that are still running."""
        pids = [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", self.log)]
        return [pid for pid in pids if _runs(pid)]

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        limit = time.monotonic() + PATIENCE
        while not condition():
            ended = self.process.poll() is not None and what == _START
            if ended or time.monotonic() > limit:
                raise AssertionError(f"the server did not get there in time: {what}:\n{self.log}")
            time.sleep(0.02)

    def wait_for_log(self, text: str, count: int = 1) -> None:
        self.wait_until(lambda: self.log.count(text) >= count, f"to log {text!r}")

    def answers(self) -> bool:
        """Whether it answers HTTP or, if it requires a client certificate, whether a worker has started."""
        asks = self.environment.get("APP_SERVER__TLS__CLIENT_CERTS") == "required"
        return "startup complete" in self.log if asks else self.status("/livez") is not None

    def status(self, path: str) -> int | None:
        """GET over a new connection; None without a response."""
        if self.tls:
            context = ssl._create_unverified_context()  # noqa: S323, SLF001 - Another test is about trust.
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=PATIENCE, context=context
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return None

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip("\n"))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
