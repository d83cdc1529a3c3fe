"""A server under attack, as other clients see it and as its host does.

Other clients ask each 100 ms, on new and on kept connections: each gets good answers all
the time. Afterwards, when all hostile clients have left, no slot, descriptor or memory is lost.
"""

import asyncio
import contextlib
import http.client
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.chaos.hostile.client import status
from tests.server.load import until

PATHS = ("/livez", "/v1/orders")
PAUSE = 0.1
# Seconds between two good answers: one, and one for this process, which runs these clients and the attack.
LONGEST = 2.0 + PAUSE
GROWTH = 100  # MB
POOL = 5  # Connections to the database, which are opened when they are needed.
DEFAULT_SLOTS = 256


class Worker:
    """The one worker of a server, by /proc."""

    def __init__(self, server: Any) -> None:
        [self.pid] = server.workers
        self._process = Path(f"/proc/{self.pid}")
        (self._process / "clear_refs").write_text("5")  # The peak is that of the attack.
        self._memory, self.descriptors_before = self._megabytes("VmRSS"), self.descriptors
        self.lines_before = len(server.lines)

    @property
    def descriptors(self) -> int:
        return len(list((self._process / "fd").iterdir()))

    @property
    def growth(self) -> float:
        """The memory in MB that the attack has taken at its peak."""
        return self._megabytes("VmHWM") - self._memory

    @property
    def unharmed(self) -> bool:
        """Whether an attack may go on: a test that fails should not take the memory of its machine."""
        return self.growth < 3 * GROWTH

    def closed(self, connections: int) -> bool:
        """Whether at most so many connections are open, besides those from before."""
        return self.descriptors <= self.descriptors_before + POOL + connections

    def _megabytes(self, name: str) -> float:
        lines = (self._process / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


class OtherClient:
    """A client in a thread of its own, so that the attack does not slow it down."""

    def __init__(self, port: int, path: str, *, kept: bool) -> None:
        self.port, self.path, self.kept = port, path, kept
        self.longest = 0.0
        self.failures: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask_until_stopped)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join()

    def _ask_until_stopped(self) -> None:
        last = time.monotonic()
        connection = self._connection()
        while not self._stopping.wait(PAUSE):
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures[repr(error)] += 1
                connection.close()
            else:
                self.failures[str(answer.status)] += answer.status != 200
                if answer.status == 200:
                    self.longest, last = max(self.longest, time.monotonic() - last), time.monotonic()
            if not self.kept:
                connection.close()
        connection.close()
        self.longest = max(self.longest, time.monotonic() - last)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)

    def __str__(self) -> str:
        kind = "one connection" if self.kept else "new connections"
        return f"{self.path} on {kind}: {self.longest:.2f} s without a good answer, {+self.failures}"


@contextlib.asynccontextmanager
async def watched(server: Any, paths: tuple[str, ...] = PATHS) -> AsyncIterator[Worker]:
    """Attack in this block. At its end all hostile clients must have left.

    `paths`: what other clients ask; the probe alone if the attack may use all slots for a while.
    """
    for path in PATHS:
        assert await status(server.port, path) == 200
    worker, failed = Worker(server), []
    others = [OtherClient(server.port, path, kept=kept) for path in paths for kept in (True, False)]
    with contextlib.ExitStack() as stack:
        for other in others:
            stack.enter_context(other.running())
        try:
            yield worker
        except (AssertionError, TimeoutError) as error:  # What it did to others matters more.
            failed.append(str(error) or repr(error))
    failed += [str(other) for other in others if other.longest > LONGEST]
    failed += [problem async for problem in lasting_problems(server, worker)]
    if failed:
        server.close()  # The next attack needs one without harm.
    assert not failed, "\n".join(["", *failed])


async def lasting_problems(server: Any, worker: Worker) -> AsyncIterator[str]:
    """Find all of them, so that a failure shows the whole harm."""
    if worker.pid not in server.workers:
        yield "the worker has ended"
        return
    if worker.growth > GROWTH:
        yield f"the worker took {worker.growth:.0f} MB more"
    with contextlib.suppress(AssertionError):
        await until(lambda: worker.closed(0), "", 5)
    if not worker.closed(0):
        yield f"{worker.descriptors - worker.descriptors_before} descriptors stay open"
    slots = int(server.environment.get("APP_SERVER__MAX_CONCURRENCY", DEFAULT_SLOTS))
    statuses: list[int] = []
    for _ in range(4):  # A route may still run whose client has left.
        if statuses != [200] * slots:
            asked = (status(server.port, "/slow?seconds=0.7") for _ in range(slots))
            statuses = await asyncio.gather(*asked)
    if statuses != [200] * slots:
        yield f"{slots} slots: {dict(Counter(statuses))}"
    if (statuses := [await status(server.port, path) for path in PATHS]) != [200, 200]:
        yield f"afterwards {PATHS} are {statuses}"
    if found := [line for line in server.lines[worker.lines_before :] if "Traceback" in line]:
        yield f"{len(found)} tracebacks, the last: {found[-1][-500:]}"
