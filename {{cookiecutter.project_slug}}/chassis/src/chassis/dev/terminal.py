"""What a command says to its terminal, and what the terminal says to it."""

import os
import signal
import sys
from collections.abc import Callable
from itertools import takewhile
from types import FrameType

import psutil

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CALLERS = {"uv", "make", "gmake", "gnumake"}


def say(line: str) -> None:
    """Print a line at once; a terminal that has gone away must not keep us from stopping the database."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def watch_callers() -> Callable[[], bool]:
    """Make a function that tells whether the terminal, and the make and uv that wait for us, are still there.

    make keeps a SIGHUP for itself, and nobody can pass a SIGKILL on.
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
    # Everything ends within bounds from here on; a second signal would only cut it short.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
