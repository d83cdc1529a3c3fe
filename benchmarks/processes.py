"""What processes cost, as /proc has it: processor time, memory, and what all the others did meanwhile."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
BUSY = (0, 1, 2, 5, 6, 7)  # Of the first line of /proc/stat: user, nice, system, irq, softirq, steal.


def tree(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if fields := _fields(int(stat.parent.name)):
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time of processes, and of those of their children that have ended."""
    return sum(sum(map(int, fields[11:15])) * TICK for pid in pids if (fields := _fields(pid)))


def busy_seconds() -> float:
    """Return the processor time that all cores have spent on anything, since the machine is up."""
    spent = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(spent[index]) for index in BUSY) * TICK


def memory_mb(pids: list[int], of: Callable[[Iterable[int]], int] = max) -> float:
    """Return the proportional set size of the largest, which is the worker where there is a master."""
    return round(of(_pss_kb(pid) for pid in pids) / 1024, 1)


def _fields(pid: int) -> list[str]:
    """Return what follows the name in /proc/PID/stat: state, parent, …; nothing where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
