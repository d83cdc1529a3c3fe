import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chassis.dev.postgres import (
    THROWAWAY,
    AlreadyRunning,
    running_server,
    temporary_home,
    url_of_running,
)
from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError
from chassis.testing import query
from tests.dev.waiting import has_ended, wait_until

OWNER = """
import sys, time
from pathlib import Path
from chassis.dev.postgres import running_server
with running_server(Path(sys.argv[1]), fsync="off") as server:
    print(server.process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home with data in it, whose server does not run between the tests."""
    with tempfile.TemporaryDirectory() as name:  # Closed to others: as root, to the server's user too.
        home = Path(name)
        with running_server(home, **THROWAWAY) as server:
            query(server.url, "CREATE TABLE kept AS SELECT 42 AS value")
        yield home


def start_owner(home: Path) -> tuple[subprocess.Popen[str], int]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    server = int(owner.stdout.readline())
    owner.stdout.close()
    return owner, server


def test_a_server_ends_with_its_block_and_keeps_the_data(home: Path) -> None:
    with running_server(home, **THROWAWAY) as first:
        query(first.url, "CREATE TABLE more AS SELECT 43 AS value")
    with running_server(home, **THROWAWAY) as second:
        assert query(second.url, "SELECT value FROM more") == 43

    assert first.process.returncode == second.process.returncode == 0
    assert not (home / "data" / "postmaster.pid").exists()


def test_a_server_listens_on_its_socket_alone(home: Path) -> None:
    with running_server(home, **THROWAWAY) as server:
        assert query(server.url, "SHOW listen_addresses") == ""


def test_the_environment_of_other_servers_changes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere", "PGDATABASE": "none"}.items():
        monkeypatch.setenv(name, value)

    with running_server(home, **THROWAWAY) as server:
        assert query(server.url, "SELECT value FROM kept") == 42


@pytest.mark.parametrize("name", ["with space, comma 'quote' and ☂", "long" * 40])
def test_a_home_may_have_any_name(home: Path, name: str) -> None:
    moved = home / name
    moved.mkdir()
    (home / "data").rename(moved / "data")

    try:
        with running_server(moved, **THROWAWAY) as server:
            assert query(server.url, "SELECT value FROM kept") == 42
    finally:
        (moved / "data").rename(home / "data")


def test_a_second_start_is_refused_and_told_where_the_first_is(home: Path) -> None:
    assert url_of_running(home) is None
    with running_server(home, **THROWAWAY) as server:
        with pytest.raises(AlreadyRunning, match="another process already uses"), running_server(home):
            pass

        assert url_of_running(home) == server.url
        assert query(server.url, "SELECT value FROM kept") == 42

    assert url_of_running(home) is None


def test_a_server_stops_when_its_owner_is_killed(home: Path) -> None:
    owner, pid = start_owner(home)

    owner.kill()
    owner.wait()

    wait_until(lambda: has_ended(pid))
    assert "database system is shut down" in (home / "log").read_text()
    left = (home / "run").readlink()
    with running_server(home, **THROWAWAY) as server:
        assert query(server.url, "SELECT value FROM kept") == 42
        assert not left.exists()


def test_the_next_start_stops_a_server_that_nobody_stopped(home: Path) -> None:
    owner, pid = start_owner(home)
    guards = [each for each in psutil.process_iter() if each.pid != pid and os.getpgid(each.pid) == pid]

    for process in (*guards, psutil.Process(owner.pid)):
        process.kill()
    owner.wait()

    assert guards
    assert not has_ended(pid)
    with running_server(home, **THROWAWAY) as server:
        assert has_ended(pid)
        assert query(server.url, "SELECT value FROM kept") == 42


def test_another_program_with_the_number_of_a_dead_server_is_left_alone(home: Path) -> None:
    lines = [os.getpid(), home / "data", 0, 5432, "/nowhere", "", "0 0", "ready"]
    (home / "data" / "postmaster.pid").write_text("".join(f"{line}\n" for line in lines))

    with running_server(home, **THROWAWAY) as server:
        assert query(server.url, "SELECT value FROM kept") == 42


def test_an_interrupted_initdb_leaves_nothing_that_looks_whole() -> None:
    with temporary_home() as home:
        (home / "data.unfinished").mkdir()
        (home / "data.unfinished" / "PG_VERSION").write_text("18\n")

        with running_server(home, **THROWAWAY) as server:
            assert query(server.url, "SELECT 1") == 1

        assert not (home / "data.unfinished").exists()


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("PG_VERSION", "nonsense", "not a valid data directory"),
        ("PG_VERSION", "17\n", "initialized by PostgreSQL version 17"),
        ("global/pg_control", "short", "pg_control"),
    ],
)
def test_corrupt_data_is_named_in_one_line_and_left_alone(home: Path, file: str, content: str, reason: str) -> None:
    path = home / "data" / file
    whole = path.read_bytes()
    path.write_text(content)
    try:
        with pytest.raises(CommandError) as error, running_server(home):
            pass
    finally:
        path.write_bytes(whole)

    message = str(error.value)
    assert reason in message
    assert str(home / "log") in message
    assert f"rm -r {home / 'data'}" in message
    assert "\n" not in message
    assert (home / "data" / "base").is_dir()


def test_the_homes_of_killed_owners_are_removed_and_no_others() -> None:
    with temporary_home() as used, (used / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (used / "log").touch()
        leftover = Path(tempfile.mkdtemp(prefix="postgres-tests-", dir=used.parent))
        (leftover / "log").touch()

        with temporary_home():
            assert not leftover.exists()
            assert used.exists()

    assert not used.exists()
