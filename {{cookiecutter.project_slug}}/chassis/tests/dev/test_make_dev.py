"""`make dev` as a user has it: in a terminal's place, with a database of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from chassis.dev.__main__ import watch
from chassis.dev.postgres import THROWAWAY, running_server
from chassis.dev.processes import child
from chassis.dev.terminal import CommandError
from chassis.testing import query
from tests.dev.waiting import has_ended, wait_until

BIND = "APP_SERVER__BIND"


class MakeDev:
    """One run of it, whose output goes to a file."""

    def __init__(self, copied: Path, **variables: str) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - Closed by `close`.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chassis.dev"],
            cwd=copied,
            env=inherited | {BIND: f"127.0.0.1:{free_port()}"} | variables,
            stdout=self._file,
            stderr=self._file,
            start_new_session=True,
        )

    def output(self) -> str:
        return os.pread(self._file.fileno(), 100_000, 0).decode()

    def wait_until_up(self) -> None:
        wait_until(lambda: "Readiness" in self.output() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()

    def wait_for_end(self) -> tuple[int, str]:
        return self.process.wait(60), self.output()

    def database(self) -> str:
        found = re.search(r"psql '(.*)'", self.output())
        assert found
        return found[1]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._file.close()


@contextmanager
def make_dev(copied: Path, **variables: str) -> Iterator[MakeDev]:
    run = MakeDev(copied, **variables)
    try:
        yield run
    finally:
        run.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def test_ctrl_c_ends_all_of_it_and_the_data_stays(copied: Path) -> None:
    with make_dev(copied) as run:
        run.wait_until_up()
        started = psutil.Process(run.process.pid).children(recursive=True)
        query(run.database(), "CREATE TABLE kept AS SELECT 42 AS value")
        run.process.send_signal(signal.SIGINT)
        code, output = run.wait_for_end()

    assert code == 0, output
    assert output.endswith("Stopped.\n")
    assert len(started) > 4
    assert [each for each in started if not has_ended(each.pid)] == []
    with running_server(copied / ".postgres", **THROWAWAY) as server:
        assert query(server.url, "SELECT value FROM kept") == 42


def test_when_a_part_dies_the_rest_is_stopped() -> None:
    stop = ((signal.SIGTERM, 30.0),)
    with (
        pytest.raises(CommandError, match="PostgreSQL exited unexpectedly with code 3"),
        child(["sleep", "60"], stop=stop) as uvicorn,
        child(["sh", "-c", "exit 3"], stop=stop) as postgres,
    ):
        watch({"uvicorn": uvicorn, "PostgreSQL": postgres})

    assert uvicorn.returncode == -signal.SIGTERM


def test_a_second_start_is_refused(copied: Path) -> None:
    with running_server(copied / ".postgres", **THROWAWAY), make_dev(copied) as second:
        code, output = second.wait_for_end()

    assert code == 1
    assert "make dev: another process already uses the database" in output


def test_a_busy_port_is_named_with_a_way_out(copied: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with make_dev(copied, APP_SERVER__BIND=f"127.0.0.1:{port}") as run:
            code, output = run.wait_for_end()

    assert code == 1
    assert output == (
        f"make dev: cannot listen on port {port} of 127.0.0.1: Address already in use. "
        "Another port: APP_SERVER__BIND=127.0.0.1:8001 make dev\n"
    )


@pytest.mark.parametrize("bind", ["8000", "localhost:", "unix:/tmp/service", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(copied: Path, bind: str) -> None:
    with make_dev(copied, APP_SERVER__BIND=bind) as run:
        code, output = run.wait_for_end()

    assert code == 1
    assert output.count("\n") == 1
    assert output.startswith("make dev: ")


def test_wrong_settings_end_it_with_their_own_code(copied: Path) -> None:
    with make_dev(copied, APP_LOG__LEVEL="LOUD") as run:
        code, output = run.wait_for_end()

    assert code == 78
    assert "configuration: APP_LOG__LEVEL: " in output
    assert "Traceback" not in output


def test_the_env_file_counts_less_than_the_environment(copied: Path) -> None:
    (copied / ".env").write_text("APP_SERVER__BIND=of-the-file\n")
    try:
        with make_dev(copied, APP_SERVER__BIND="of-the-environment") as run:
            code, output = run.wait_for_end()
    finally:
        (copied / ".env").unlink()

    assert (code, output.count("of-the-environment")) == (1, 1)
