"""A PostgreSQL server of this project's own, as a child process that listens on a Unix socket only.

Its home folder holds `data`, `log` (of the last start), `lock` (held while it runs) and `run` (a link to its socket).
"""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT
from typing import Any, BinaryIO
from urllib.parse import quote

import psutil

from chassis.dev import programs
from chassis.dev.processes import child, run
from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError

HOME = PROJECT / ".postgres"
_WORKING = Path("/proc/self/cwd")  # macOS has no such name: as root, the folder itself must be open there.
START_SECONDS = 60  # As pg_ctl: recovery after a crash takes its time.
STOP = ((SIGINT, 10.0), (SIGQUIT, 3.0), (SIGKILL, 3.0))  # Fast, immediate, killed.
_INITDB = (
    "--username=postgres",
    "--auth=trust",  # Nobody else may open the folder of the socket.
    "--encoding=UTF8",
    "--locale-provider=builtin",  # It sorts alike on every system.
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--set=timezone=UTC",
    "--no-sync",  # Should the whole system fail in the next seconds, an empty database is lost.
    "--no-instructions",
)
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@dataclass(frozen=True)
class Server:
    url: str
    log: Path
    process: subprocess.Popen[bytes]


class AlreadyRunning(CommandError):
    pass


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Make a home that does not outlive the block, and remove those whose owners were killed."""
    for leftover in Path(tempfile.gettempdir()).glob("postgres-tests-*"):
        _remove_unless_used(leftover)
    home = Path(tempfile.mkdtemp(prefix="postgres-tests-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_server(home: Path, **options: str) -> Iterator[Server]:
    """Run a server for the length of the block, with `options` as `postgresql.conf` has them."""
    binaries = programs.binaries()
    _make(home)
    with _locked(home), _socket_folder(home) as socket, (home / "log").open("wb") as log:
        _stop_leftover(home / "data")
        data = _initialized(home, binaries, log)
        options = {"listen_addresses": "", "unix_socket_directories": str(socket), "port": "5432"} | options
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries / "postgres"), "-D", _as_server_sees(data), *settings]
        with child(command, stop=STOP, stdout=log, stderr=log, **_surroundings(data)) as process:
            _wait_until_ready(process, home)
            yield Server(_url(home), home / "log", process)


def url_of_running(home: Path) -> str | None:
    """Return the URL of the server that another process runs in this home."""
    try:
        with _locked(home):
            return None
    except AlreadyRunning:
        return _url(home) if _pid_file(home / "data")[7:8] == ["ready"] else None
    except FileNotFoundError:
        return None


def _make(home: Path) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    if (owner := home.stat().st_uid) != os.geteuid():
        raise CommandError(
            f"{home} belongs to another user, number {owner}, who ran this before. "
            f"Run it as that user, or start with an empty database: rm -r {shlex.quote(str(home))}"
        )


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the home. The kernel lets go of a file lock when its process ends in whatever way."""
    with (home / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another process already uses the database in {home}. Stop it first") from None
        yield


@contextmanager
def _socket_folder(home: Path) -> Iterator[Path]:
    """Make a folder that the server reaches by a short and plain name, and a link to it in `home`."""
    link = home / "run"
    _remove_link(link)
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp") as name:
        programs.give(Path(name))
        link.symlink_to(name)
        try:
            yield Path(name)
        finally:
            link.unlink()


def _remove_link(link: Path) -> None:
    """Remove what an owner that was killed has left."""
    if link.is_symlink():
        shutil.rmtree(link.readlink(), ignore_errors=True)
        link.unlink()


def _url(home: Path) -> str:
    link = home / "run"
    is_fit = re.fullmatch(r"[\w./-]{1,88}", str(link), re.ASCII)  # macOS: 104, less `/.s.PGSQL.5432` and NUL.
    # The port, because PGPORT of the environment would take its place.
    return f"postgresql://postgres@/postgres?host={quote(str(link if is_fit else link.readlink()))}&port=5432"


def _surroundings(data: Path) -> dict[str, Any]:
    """Return options of `subprocess` that keep the user's PGDATA, PGPORT and the like away from the server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {"env": environment, "cwd": data, **programs.user()}


def _as_server_sees(data: Path) -> str:
    """Name the folder for a user to whom root's folders may be closed, but never the one that it works in."""
    return str(_WORKING if programs.user() and _WORKING.exists() else data)


def _initialized(home: Path, binaries: Path, log: BinaryIO) -> Path:
    """Return the data folder. It gets its name once it is whole: an interruption leaves nothing half done."""
    data, unfinished = home / "data", home / "data.unfinished"
    if data.exists():
        return data
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    programs.give(unfinished)
    command = [str(binaries / "initdb"), "-D", _as_server_sees(unfinished), *_INITDB]
    if run(command, stop=STOP, stdout=log, stderr=log, **_surroundings(unfinished)):
        raise CommandError(f"initdb failed: {_reason(home / 'log')}. Its log: {home / 'log'}")
    return unfinished.rename(data)


def _wait_until_ready(process: subprocess.Popen[bytes], home: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        lines = _pid_file(home / "data")
        if lines[:1] == [str(process.pid)] and lines[7:8] == ["ready"]:
            return
        time.sleep(0.01)
    reason = f"not ready after {START_SECONDS} s" if process.poll() is None else _reason(home / "log")
    raise CommandError(
        f"PostgreSQL does not start: {reason}. Its log: {home / 'log'}. "
        f"To start with an empty database, type: rm -r {shlex.quote(str(home / 'data'))}"
    )


def _reason(log: Path) -> str:
    """Find the line of the log that says why, with its detail."""
    lines = log.read_text(errors="replace").splitlines() or ["it printed nothing"]
    fatal = [line for line in lines if re.search(r"FATAL: |PANIC: |error: ", line)] or lines
    detail = [line for line in lines if "DETAIL: " in line]
    said = [re.sub(r"^.*?(FATAL|PANIC|DETAIL|error): +", "", line) for line in fatal[-1:] + detail[-1:]]
    return "; ".join(said).rstrip(".").replace(str(_WORKING), str(log.parent / "data"))


def _pid_file(data: Path) -> list[str]:
    """Return its lines: process, data, start time, port, socket folder, address, shared memory, state."""
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []


def _stop_leftover(data: Path) -> None:
    """Stop the server of an owner that was killed together with its guard: we hold the lock."""
    lines = _pid_file(data)
    if not lines or not lines[0].isdecimal():
        return
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(lines[0]))
        for number, seconds in STOP:
            if _works_in(process, data):
                process.send_signal(number)
                _wait_until_gone(process, data, seconds)
        # What has its number now is another program, or a dead one that a container's first process never collects.
        # PostgreSQL would take either for a server that runs.
        (data / "postmaster.pid").unlink(missing_ok=True)


def _wait_until_gone(process: psutil.Process, data: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while _works_in(process, data) and time.monotonic() < end:
        time.sleep(0.02)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()) == folder.resolve()
    except psutil.AccessDenied:  # The root of a container may see no more of another user's process.
        return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:  # It is gone.
        return False


def _remove_unless_used(home: Path) -> None:
    # Without a log its owner is about to take the lock. In a folder that all share, what others own is theirs.
    if not (home / "log").exists() or home.lstat().st_uid != os.geteuid():
        return
    with suppress(AlreadyRunning), _locked(home):
        _stop_leftover(home / "data")
        _remove_link(home / "run")
        shutil.rmtree(home, ignore_errors=True)
