"""Run a command on the database that the environment names, or else on the project's own, migrated.

`python -m chassis.dev.with_database alembic upgrade head` works while `make dev` runs, and otherwise. A command that
outlives the one whose PostgreSQL it uses, such as a `make serve` beside it, takes that PostgreSQL over.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from signal import SIGKILL, SIGTERM

from chassis.dev.database import URL, is_named, own_database, prepare
from chassis.dev.postgres import HOME, AlreadyRunning, url_of_running
from chassis.dev.processes import child, exit_code
from chassis.dev.terminal import CommandError, end_on_signals, print_status, run_command, watch_callers

STOP = ((SIGTERM, 60.0), (SIGKILL, 3.0))
LOOK_EVERY = 0.5  # Seconds between two looks at the server of another command.


def main(command: list[str]) -> int:
    if is_named():
        return os.execvp(command[0], command)  # noqa: S606 - Its signals and its exit code are its own.
    print_status(f"No {URL}: using the database of `make dev`")
    end_on_signals()
    is_wanted = watch_callers()
    if url := url_of_running(HOME):
        os.environ[URL] = url
        return run_beside(command, url, is_wanted)
    with own_database():
        if code := prepare():
            return code
        return run(command, is_wanted)


def run(command: list[str], is_wanted: Callable[[], bool]) -> int:
    with child(command, stop=STOP) as process, suppress(KeyboardInterrupt):
        while process.poll() is None and is_wanted():
            time.sleep(0.05)
    return exit_code(process)


def run_beside(command: list[str], url: str, is_wanted: Callable[[], bool]) -> int:
    """Run it on the server of another command; when that ends first, start the server again."""
    with ExitStack() as ours, child(command, stop=STOP) as process, suppress(KeyboardInterrupt):
        borrowed, look_at = True, time.monotonic() + LOOK_EVERY
        while process.poll() is None and is_wanted():
            if borrowed and time.monotonic() > look_at:
                borrowed, look_at = not taken_over(ours, url, process), time.monotonic() + LOOK_EVERY
            time.sleep(0.05)
    return exit_code(process)


def taken_over(ours: ExitStack, url: str, process: subprocess.Popen[bytes]) -> bool:
    """Start the server if nobody runs it any more, and `process` still needs it where it was."""
    if url_of_running(HOME) or process.poll() is not None:
        return False
    try:
        server = ours.enter_context(own_database())
    except AlreadyRunning:  # Its owner has not ended yet, or another one was quicker.
        return False
    if server.url != url:  # Where the path is too long for a socket's address, each start has another.
        raise CommandError("The command that ran the database has ended. Type this one again")
    print_status("The command that ran the database has ended. PostgreSQL was started again")
    return True


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:]), failed=1))
