from collections.abc import Callable
from time import monotonic, sleep

import psutil


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "waited in vain"
        sleep(0.02)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or dead and not yet collected by its parent."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
