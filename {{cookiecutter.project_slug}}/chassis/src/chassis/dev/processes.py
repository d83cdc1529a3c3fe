"""Child processes that end with us: in order when we end them, and by themselves when we are killed."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

type Command = Sequence[str | os.PathLike[str]]
type Stop = Sequence[tuple[signal.Signals, float]]
"""Signals in order, each with the seconds that a program has to obey it."""

# The shell leaves a guard behind and becomes the program. The guard waits for the end of a pipe that we hold
# and never write to: it comes when we end, even by SIGKILL. Then it stops the program, and 5 s later kills its
# group.
_GUARDED = """
exec 3<&0
( { read -r _; kill -s "$0" $$; sleep 5; kill -s KILL -- -$$; } <&3 >/dev/null 2>&1 & )
exec "$@" 3<&- </dev/null
"""


@contextmanager
def child(command: Command, *, stop: Stop, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of the block, then stop it; `options` are those of `subprocess.Popen`.

    It has a session of its own: a terminal's Ctrl-C reaches us alone, and we decide who ends first.
    """
    first = stop[0][0].name.removeprefix("SIG")
    process = subprocess.Popen(
        ["/bin/sh", "-c", _GUARDED, first, *command], stdin=subprocess.PIPE, start_new_session=True, **options
    )
    try:
        yield process
    finally:
        _end(process, stop)


def run(command: Command, *, stop: Stop, **options: Any) -> int:
    """Run a program to its end and return the exit code that a shell would give."""
    with child(command, stop=stop, **options) as process:
        process.wait()
    return exit_code(process)


def exit_code(ended: subprocess.Popen[bytes]) -> int:
    return ended.returncode if ended.returncode >= 0 else 128 - ended.returncode


def _end(process: subprocess.Popen[bytes], stop: Stop) -> None:
    for number, seconds in stop:
        if process.poll() is None:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
    with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group that is only zombies.
        os.killpg(process.pid, signal.SIGKILL)  # The guard, and what the program left behind.
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()
