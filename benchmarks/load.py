"""One round of load by wrk, and what it cost the server and came from the others."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.plan import CONNECTIONS
from benchmarks.processes import busy_seconds, cpu_seconds, tree
from benchmarks.stopping import StoppedError

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
PLACING = Path(__file__).with_name("orders.lua")


@dataclass(frozen=True)
class Said:
    """What wrk said."""

    requests: int
    rate: float
    """Requests a second."""
    p99_ms: float
    errors: int
    """Answers of 400 and above, and connections that failed or waited in vain."""


@dataclass(frozen=True)
class Round:
    rate: float
    p99_ms: float
    errors: int
    cpu_us: float
    """Processor time of the server, all its processes together, for each request."""
    others: float
    """Cores that were busy with other programs."""


def load(
    url: str, server: int, seconds: int, *, connections: int = CONNECTIONS, placing: bool = False
) -> Round:
    """Put a server, by the pid of its first process, under load; `placing` sends orders that are all new."""
    theirs, ours, all_of_it, began = _spent(server), _spent(os.getpid()), busy_seconds(), perf_counter()
    said = parsed(_wrk(url, seconds, connections, placing=placing))
    took = perf_counter() - began
    others = busy_seconds() - all_of_it - (_spent(os.getpid()) - ours)
    cpu = (_spent(server) - theirs) / max(said.requests, 1)
    return Round(said.rate, said.p99_ms, said.errors, cpu * 1e6, max(others, 0) / took)


def _spent(root: int) -> float:
    return cpu_seconds(tree(root))


def command(url: str, seconds: int, connections: int, *, placing: bool) -> list[str]:
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    script = ["--script", str(PLACING)] if placing else []
    return ["wrk", *options, "--timeout", "10s", "--latency", *script, url]


def _wrk(url: str, seconds: int, connections: int, *, placing: bool) -> str:
    done = subprocess.run(
        command(url, seconds, connections, placing=placing), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StoppedError(f"wrk failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def parsed(said: str) -> Said:
    """Read what wrk prints at its end."""
    requests = re.search(r"(\d+) requests in", said)
    rate = re.search(r"Requests/sec: +([\d.]+)", said)
    p99 = re.search(r"99% +([\d.]+)(us|ms|s|m)\b", said)
    if not (requests and rate and p99):
        raise StoppedError(f"wrk said something unexpected:\n{said}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    failed = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    errors = int(refused[1]) if refused else 0
    errors += sum(map(int, failed.groups())) if failed else 0
    return Said(int(requests[1]), float(rate[1]), float(p99[1]) * UNITS[p99[2]], errors)
