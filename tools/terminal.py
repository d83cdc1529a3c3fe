"""Commands and their terminal: what they print, how they end, which signals they take."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CommandError(Exception):
    """Nothing has changed. The message is the line that the user sees: the problem and what to type next."""


def run_command(main: Callable[[], int], *, name: str = "") -> int:
    """Run a command and return its exit code: 2 after the line of a `CommandError`, 130 after Ctrl-C."""
    end_on_signals()
    try:
        return main()
    except (CommandError, OSError) as error:
        print_error(f"{name}: {error}" if name else str(error))
        return 2
    except KeyboardInterrupt as interrupt:
        print_error(str(interrupt) or "Stopped: nothing has changed")
        return 130


def print_status(line: str) -> None:
    """Print a line at once. A closed terminal is not an error: nothing may be left half done."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def end_on_signals() -> None:
    """Turn the first SIGINT, SIGTERM or SIGHUP into KeyboardInterrupt. `nohup` keeps its meaning."""
    for number in _ENDING:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let what must not be left half done end first, in child processes too; a signal waits for so long."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Everything ends within bounds from here on; a second signal would only cut it short.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
