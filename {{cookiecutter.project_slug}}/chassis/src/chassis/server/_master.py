"""gunicorn's master, changed so that no request is lost when workers are reloaded, replaced or stopped.

Private API: `adopt` sets the class of the running master. `Master` overrides how gunicorn's `Arbiter` handles signals,
    reloads and workers, and reads its `WORKERS`, `app`, `cfg`, `log`, `num_workers`, `reexec_pid` and `worker_class`,
    and `age` and `pid` of its workers. It raises `HaltServer`, as gunicorn does, and sets `cfg` of its application.
Why: gunicorn has no setting for the class of its master. It loses requests wherever a comment below says so.
Checked by: tests/server/test_library_api.py (names, because gunicorn has no types), tests/server/test_graceful.py and
    the template's tests/server/ (behaviour).
"""

import contextlib
import gc
import os
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
from chassis.tls import TLSProblem

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
        if problem := self._check_configuration() or self._reload():
            self.log.error("reload rejected, the settings stay as they were: %s", problem)
            return
        for worker in self.WORKERS.values():
            worker.obsolete = True
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

    def _reload(self) -> str:
        """Load the new configuration, or keep the old one and return why."""
        old = self.app.cfg
        try:
            self.app.reload()
        except SystemExit:  # The master would end, and its workers with it.
            self.app.cfg = old
            gc.enable()  # gunicorn.conf.py disables it while it runs.
            return "a file has changed since the check"
        return ""

    @override
    def manage_workers(self) -> None:
        # gunicorn starts a replacement when the old worker has exited: with one worker nobody accepts connections then.
        self._poll_certificate()
        workers = sorted(self.WORKERS.values(), key=lambda worker: worker.age)
        for worker in workers:
            worker.obsolete |= worker.stage is Stage.MAX_REQUESTS_REACHED
        current = [worker for worker in workers if not worker.obsolete]
        for worker in current[: -self.num_workers]:
            worker.obsolete = True
        if len(current) < self.num_workers:
            if time.monotonic() >= self.retry_at:
                for _ in range(self.num_workers - len(current)):
                    self.spawn_worker()
        elif all(worker.stage is Stage.SERVING for worker in current):
            self._retire(worker for worker in workers if worker.obsolete)

    def _poll_certificate(self) -> None:
        if Worker.rotation:
            with contextlib.suppress(TLSProblem):  # Each worker logs it.
                Worker.rotation.poll()

    def _retire(self, workers: Iterable[Worker]) -> None:
        for worker in workers:
            if not worker.retired:
                worker.retired = True
                self.kill_worker(worker.pid, RETIRE)

    @override
    def reap_workers(self) -> None:
        # gunicorn stops all workers if one exits with 3 or 4. If one ends otherwise at boot, it boots the next at once.
        self.served |= self._any_serves()
        failures = self._failures_at_boot()
        self._reap()
        if self.stopping or not failures:
            return
        if os.CLD_EXITED in failures and not self.served:
            raise HaltServer("Worker failed to boot.", self.WORKER_BOOT_ERROR)
        state = "The other workers continue" if self._any_serves() else "No worker serves"
        self.log.warning("Worker failed to boot. %s; next attempt in %g s.", state, RETRY_AFTER)
        self.retry_at = time.monotonic() + RETRY_AFTER

    def _any_serves(self) -> bool:
        return any(worker.stage is not Stage.BOOTING for worker in self.WORKERS.values())

    def _failures_at_boot(self) -> set[int]:
        """Return how workers have ended that never served: `os.CLD_EXITED`, or by a signal."""
        only_look = os.WEXITED | os.WNOHANG | os.WNOWAIT  # gunicorn reaps them, and keeps nothing.
        booting = [each for each in self.WORKERS.values() if each.stage is Stage.BOOTING and not each.retired]
        ends = [os.waitid(os.P_PID, worker.pid, only_look) for worker in booting]
        return {end.si_code for end in ends if end}

    def _reap(self) -> None:
        reaped = False
        while not reaped:  # HaltServer leaves the others that have ended.
            with contextlib.suppress(HaltServer):
                super().reap_workers()
                reaped = True


def adopt(arbiter: Arbiter) -> None:
    """Turn gunicorn's master into ours, unless `--worker-class` names another worker class."""
    if issubclass(arbiter.worker_class, Worker):
        arbiter.__class__ = Master
