"""Commands and their terminal: what they print, how they end, which signals they take."""

import os
import signal
import sys
from collections.abc import Callable
from itertools import takewhile
from types import FrameType

import psutil

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CALLERS = {"uv", "make", "gmake", "gnumake"}


class CommandError(Exception):
    """A command cannot do its work. The message is the line that the user sees: the problem and what to type next."""


def run_command(main: Callable[[], int], *, name: str = "", failed: int = 2, stopped: str = "") -> int:
    """Run a command and return its exit code. A `CommandError` is a line and `failed`; Ctrl-C is `stopped` and 130."""
    try:
        return main()
    except (CommandError, OSError) as error:
        print_error(f"{name}: {error}" if name else str(error))
        return failed
    except KeyboardInterrupt:
        if stopped:
            print_error(stopped)
        return 130


def print_status(line: str) -> None:
    """Print a line at once. A closed terminal is not an error: the database must still be stopped."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def watch_callers() -> Callable[[], bool]:
    """Make a function that returns whether the terminal, and the make and uv that wait for us, still exist.

    make does not pass SIGHUP on, and SIGKILL cannot be passed on.
    """
    in_terminal = os.isatty(0)
    callers = list(takewhile(lambda caller: caller.name() in _CALLERS | {"sh"}, psutil.Process().parents()))
    while callers and callers[-1].name() == "sh":  # Not of a make, but where the user typed.
        callers.pop()

    def is_wanted() -> bool:
        return (not in_terminal or os.isatty(0)) and all(_is_alive(caller) for caller in callers)

    return is_wanted


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_on_signals() -> None:
    """Turn the first SIGINT, SIGTERM or SIGHUP into KeyboardInterrupt. `nohup` keeps its meaning."""
    for number in _ENDING:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # The shutdown has timeouts; a second signal would only interrupt it.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
