"""`make dev`: run the service with reloading, on the database of the settings or on the project's own.

The exit code is 0 after SIGINT, SIGTERM or SIGHUP; 78 if the settings are wrong; 1 if a process cannot start, or exits
unexpectedly.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from signal import SIGKILL, SIGTERM
from threading import Thread
from typing import NoReturn

from dotenv import load_dotenv

from chassis.dev.database import is_named, own_database, prepare, shown
from chassis.dev.processes import child
from chassis.dev.project import PROJECT, names
from chassis.dev.terminal import CommandError, end_on_signals, print_status, run_command, watch_callers

BIND = "APP_SERVER__BIND"
STOP = ((SIGTERM, 5.0), (SIGKILL, 3.0))
OPEN_REQUESTS_SECONDS = "3"
SOURCES = ("src", "chassis/src")  # Where the chassis is a package of an index, there is no second one.


def main() -> int:
    os.chdir(PROJECT)
    end_on_signals()
    load_dotenv(PROJECT / ".env")  # The environment takes precedence.
    os.environ.setdefault("APP_ENVIRONMENT", "development")
    try:
        return supervise()
    except KeyboardInterrupt:
        print_status("Stopped.")
        return 0


def supervise() -> int:
    """Start all processes and wait until one of them ends; then stop them in reverse order."""
    address = free_address(os.environ.get(BIND, "127.0.0.1:8000"))
    children = {}
    with ExitStack() as stack:
        if not is_named():
            print_status("Starting PostgreSQL")
            server = stack.enter_context(own_database())
            children[f"PostgreSQL (its log: {server.log})"] = server.process
        print_status("Applying migrations")
        if code := prepare(all_settings=True):
            return code
        print_status("Starting uvicorn")
        children["uvicorn"] = stack.enter_context(child(uvicorn_command(*address), stop=STOP))
        Thread(target=announce, args=address, daemon=True).start()
        return watch(children)


def free_address(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise CommandError(f"{BIND} is {bind!r}, which is not host:port, for example 127.0.0.1:8000")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, int(port)), family=family).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        raise CommandError(
            f"cannot listen on port {port} of {host}: {reason}. Another port: {BIND}=127.0.0.1:8001 make dev"
        ) from error
    return host, int(port)


def uvicorn_command(host: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", "--factory", names().application]
    command += ["--host", host, "--port", str(port), "--reload", "--log-level", "warning"]
    for folder in filter(os.path.isdir, SOURCES):
        command += ["--reload-dir", folder]
    return [*command, "--timeout-graceful-shutdown", OPEN_REQUESTS_SECONDS]


def watch(children: dict[str, subprocess.Popen[bytes]]) -> NoReturn:
    is_wanted = watch_callers()
    while is_wanted():
        for name, process in children.items():
            if (code := process.poll()) is not None:
                raise CommandError(f"{name} exited unexpectedly with code {code}; the other processes are stopped")
        time.sleep(0.1)
    raise KeyboardInterrupt


def announce(host: str, port: int) -> None:
    """Print the addresses once the service answers. With an error in its code that is after the fix."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - To call, not to listen.
    while not is_ok(host, port, "/livez"):
        time.sleep(0.1)
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    docs = [f"  Docs       {base}/docs"] if is_ok(host, port, "/docs") else []
    lines = [f"  API        {base}", *docs, f"  Readiness  {base}/readyz", f"  Database   {shown()}"]
    print_status(
        "\n".join(
            ["", "The service is running and reloads when its code changes. Press Ctrl-C to stop it.", *lines, ""]
        )
    )


def is_ok(host: str, port: int, path: str) -> bool:
    connection = HTTPConnection(host, port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(run_command(main, name="make dev", failed=1))
