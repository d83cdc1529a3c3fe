"""gunicorn's master with the mends that keep requests alive through reloads, replacements and stops.

gunicorn has no hook for its own class; `on_starting` in gunicorn.conf.py turns the master into this one.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from types import FrameType
from typing import override

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from chassis.server._graceful import RETIRE
from chassis.server._worker import Stage, Worker

RETRY_AFTER = 2.0  # Seconds between attempts to start a worker that cannot: the others need the CPU.


class Master(Arbiter):  # type: ignore[misc]  # gunicorn ships no types.
    WORKERS: dict[int, Worker]
    served = False
    stopping = False
    retry_at = 0.0

    @override
    def signal(self, sig: int, frame: FrameType | None) -> None:
        # Stock loses a second SIGTERM. It hurries, as a second SIGINT does.
        super().signal(signal.SIGQUIT if self.stopping and sig == signal.SIGTERM else sig, frame)

    @override
    def handle_int(self) -> None:
        # Stock ends the workers at once on SIGINT and SIGQUIT. The first one of any kind is graceful.
        self.handle_term()

    handle_quit = handle_int

    @override
    def stop(self, graceful: bool = True) -> None:
        self.stopping = True
        super().stop(graceful)

    @override
    def kill_workers(self, sig: int) -> None:
        # After an upgrade by SIGUSR2 the new master serves: these workers retire, and the service stays ready.
        super().kill_workers(RETIRE if sig == signal.SIGTERM and self.reexec_pid else sig)

    @override
    def handle_hup(self) -> None:
        # Stock dies of a configuration that is wrong, and stops the old workers before the new ones serve.
        if problem := self._check_configuration():
            self.log.error("reload rejected, the settings stay as they were: %s", problem)
            return
        for worker in self.WORKERS.values():
            worker.obsolete = True
        self.app.reload()
        self.setup(self.app)

    def _check_configuration(self) -> str:
        """Let another process load the new state, the application too; the last line it writes says what is wrong."""
        command = [sys.executable, "-m", "gunicorn", *sys.argv[1:], "--check-config"]
        timeout = self.cfg.graceful_timeout
        try:
            check = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            return f"checking it took more than {timeout} s"
        return check.stderr.strip().rpartition("\n")[2] if check.returncode else ""

    @override
    def manage_workers(self) -> None:
        # Stock ends a worker first and starts another when it has gone: with one worker nobody accepts meanwhile.
        workers = sorted(self.WORKERS.values(), key=lambda worker: worker.age)
        for worker in workers:
            worker.obsolete |= worker.stage is Stage.MAX_REQUESTS_REACHED
        current = [worker for worker in workers if not worker.obsolete]
        for worker in current[: -self.num_workers]:
            worker.obsolete = True
        if len(current) < self.num_workers and time.monotonic() >= self.retry_at:
            for _ in range(self.num_workers - len(current)):
                self.spawn_worker()
        elif all(worker.stage is Stage.SERVING for worker in current):
            self._retire(worker for worker in workers if worker.obsolete)
        self.served = self._has_served()

    def _has_served(self) -> bool:
        return self.served or any(worker.stage is Stage.SERVING for worker in self.WORKERS.values())

    def _retire(self, workers: Iterable[Worker]) -> None:
        for worker in workers:
            if not worker.retired:
                worker.retired = True
                self.kill_worker(worker.pid, RETIRE)

    @override
    def reap_workers(self) -> None:
        try:
            super().reap_workers()
        except HaltServer as halt:
            # Stock stops all that serve when one replacement cannot start.
            if not (self.stopping or self._has_served()):
                raise
            self.log.warning("%s The other workers continue; next attempt in %g s.", halt.reason, RETRY_AFTER)
            self.retry_at = time.monotonic() + RETRY_AFTER


def adopt(arbiter: Arbiter) -> None:
    """Turn the stock master into ours, unless `--worker-class` asks for a worker that is not ours."""
    if issubclass(arbiter.worker_class, Worker):
        arbiter.__class__ = Master
