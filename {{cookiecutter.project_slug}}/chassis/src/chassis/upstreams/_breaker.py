"""A circuit breaker: after several consecutive failures, calls fail at once for a while, and then one is let through.

    closed ── `failure_threshold` failures in a row ──▶ open ── after `reset_timeout` ──▶ half-open: one probe
       ▲                                                 ▲                                  │    │
       │                                                 └────────── the probe fails ───────┘    │
       └────────────────────────────── the probe succeeds ───────────────────────────────────────┘

While it is open, and while the probe is active, calls fail at once.

Each worker process has its own breakers. Nothing is shared between workers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import structlog

log = structlog.stdlib.get_logger("chassis.breaker")


class CircuitOpen(Exception):
    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        """Until the next probe, at the earliest."""


class Breaker:
    def __init__(
        self, name: str, *, failure_threshold: int, reset_timeout: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._name, self._clock = name, clock
        self._failure_threshold, self._reset_timeout = failure_threshold, reset_timeout
        self._consecutive_failures = 0
        self._open_until: float | None = None
        self._probe_active = False

    @contextmanager
    def guard(self, *failures: type[Exception]) -> Iterator[bool]:
        """Let a call pass, or raise CircuitOpen. Yields whether the call is the probe.

        Exceptions of the types `failures` count as failures. All others, and cancellation, count as neither failure
        nor success.
        """
        probe = self._admit()
        try:
            yield probe
        except failures:
            self._failed(probe=probe)
            raise
        else:
            self._succeeded(probe=probe)
        finally:
            self._probe_active = self._probe_active and not probe

    def _admit(self) -> bool:
        if self._open_until is None:
            return False
        remaining = self._open_until - self._clock()
        if remaining > 0 or self._probe_active:
            raise CircuitOpen(max(remaining, 0))
        self._probe_active = True
        log.warning("circuit breaker half-open: sending one probe", upstream=self._name)
        return True

    # While the breaker is open only the probe changes its state. Calls that began earlier can still end then.

    def _failed(self, *, probe: bool) -> None:
        self._consecutive_failures += 1
        if probe or (self._open_until is None and self._consecutive_failures >= self._failure_threshold):
            self._open_until = self._clock() + self._reset_timeout
            log.error(
                "circuit breaker open",
                upstream=self._name,
                consecutive_failures=self._consecutive_failures,
                reset_timeout=self._reset_timeout,
            )

    def _succeeded(self, *, probe: bool) -> None:
        if probe:
            self._open_until = None
            log.warning("circuit breaker closed: the probe succeeded", upstream=self._name)
        if self._open_until is None:
            self._consecutive_failures = 0
