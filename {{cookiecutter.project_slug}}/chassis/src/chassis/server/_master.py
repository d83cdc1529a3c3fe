"""gunicorn's master, changed so that no request is lost when workers are reloaded, replaced or stopped.

Private API: `adopt` sets the class of the running master. `Master` overrides how gunicorn's `Arbiter` handles signals,
    reloads and workers, and reads its `WORKERS`, `app`, `cfg`, `log`, `num_workers`, `reexec_pid` and `worker_class`,
    and `age` and `pid` of its workers.
Why: gunicorn has no setting for the class of its master. It loses requests wherever a comment below says so.
Checked by: tests/server/test_library_api.py (names, because gunicorn has no types), tests/server/test_graceful.py and
    the template's tests/server/ (behaviour).
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
from chassis.server._stage import Stage
from chassis.server._worker import Worker

RETRY_AFTER = 2.0  # Seconds between attempts to start a worker that fails: the other workers need the CPU.


class Master(Arbiter):  # type: ignore[misc]  # gunicorn ships no types.
    WORKERS: dict[int, Worker]
    served = False
    stopping = False
    retry_at = 0.0

    @override
    def signal(self, sig: int, frame: FrameType | None) -> None:
        # gunicorn ignores a second SIGTERM. Here it aborts, as a second SIGINT does.
        super().signal(signal.SIGQUIT if self.stopping and sig == signal.SIGTERM else sig, frame)

    @override
    def handle_int(self) -> None:
        # gunicorn kills the workers on SIGINT and SIGQUIT. Here the first signal always begins a graceful shutdown.
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
        # gunicorn exits if the new configuration is wrong, and stops the old workers before the new ones serve.
        if problem := self._check_configuration():
            self.log.error("reload rejected, the settings stay as they were: %s", problem)
            return
        for worker in self.WORKERS.values():
            worker.obsolete = True
        self.app.reload()
        self.setup(self.app)

    def _check_configuration(self) -> str:
        """Load the new configuration and the application in another process. Returns the last line of its errors."""
        command = [sys.executable, "-m", "gunicorn", *sys.argv[1:], "--check-config"]
        timeout = self.cfg.graceful_timeout
        try:
            check = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            return f"the check took more than {timeout} s"
        return check.stderr.strip().rpartition("\n")[2] if check.returncode else ""

    @override
    def manage_workers(self) -> None:
        # gunicorn starts a replacement when the old worker has exited: with one worker nobody accepts connections then.
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
            # gunicorn stops all workers if a replacement cannot start.
            if not (self.stopping or self._has_served()):
                raise
            self.log.warning("%s The other workers continue; next attempt in %g s.", halt.reason, RETRY_AFTER)
            self.retry_at = time.monotonic() + RETRY_AFTER


def adopt(arbiter: Arbiter) -> None:
    """Turn gunicorn's master into ours, unless `--worker-class` names another worker class."""
    if issubclass(arbiter.worker_class, Worker):
        arbiter.__class__ = Master
