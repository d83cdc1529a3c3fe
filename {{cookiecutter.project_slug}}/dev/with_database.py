"""Run a command on the database that the environment names, or else on the project's own, migrated.

`python -m dev.with_database alembic upgrade head` works while `make dev` runs, and otherwise.
"""

import os
import sys
import time
from contextlib import suppress
from signal import SIGKILL, SIGTERM

from dev.database import URL, is_named, own_database, prepare
from dev.postgres import HOME, url_of_running
from dev.processes import child, exit_code
from dev.programs import CannotStart
from dev.terminal import complain, end_on_signals, say, watch_callers

STOP = ((SIGTERM, 60.0), (SIGKILL, 3.0))


def main(command: list[str]) -> int:
    if not is_named():
        say(f"No {URL}: using the database of `make dev`")
        if not (url := url_of_running(HOME)):
            return run_with_own_database(command)
        os.environ[URL] = url
    return os.execvp(command[0], command)  # noqa: S606 - Its signals and its exit code are its own.


def run_with_own_database(command: list[str]) -> int:
    end_on_signals()
    is_wanted = watch_callers()
    with own_database():
        if code := prepare():
            return code
        with child(command, stop=STOP) as process, suppress(KeyboardInterrupt):
            while process.poll() is None and is_wanted():
                time.sleep(0.05)
        return exit_code(process)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except (CannotStart, OSError) as error:
        complain(str(error))
        sys.exit(1)
