"""A circuit breaker: who has failed several times in a row is left alone for a while, and then asked once.

    closed ── `failures` in a row ──▶ open ── `rest` seconds ──▶ half open: one probe, the others are refused
       ▲                               ▲                           │    │
       │                               └────── the probe fails ────┘    │
       └─────────────────────────── the probe succeeds ─────────────────┘

Each worker has its own, and learns by itself.
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
    def __init__(self, name: str, *, failures: int, rest: float, clock: Callable[[], float] = monotonic) -> None:
        self._name, self._limit, self._rest, self._clock = name, failures, rest, clock
        self._in_a_row = 0
        self._rests_until: float | None = None
        self._probing = False

    @contextmanager
    def guard(self, *failures: type[Exception]) -> Iterator[bool]:
        """Let a call pass, or raise CircuitOpen; yields whether it is the probe.

        Of what the call raises `failures` count. Anything else, cancellation too, is neither failure nor success.
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
            self._probing = self._probing and not probe

    def _admit(self) -> bool:
        if self._rests_until is None:
            return False
        left = self._rests_until - self._clock()
        if left > 0 or self._probing:
            raise CircuitOpen(max(left, 0))
        self._probing = True
        log.warning("circuit half open: one call is the probe", upstream=self._name)
        return True

    # A call that began before the circuit opened and ends after says nothing new: then the probe alone counts.

    def _failed(self, *, probe: bool) -> None:
        self._in_a_row += 1
        if probe or (self._rests_until is None and self._in_a_row >= self._limit):
            self._rests_until = self._clock() + self._rest
            log.error("circuit open", upstream=self._name, failures=self._in_a_row, seconds=self._rest)

    def _succeeded(self, *, probe: bool) -> None:
        if probe:
            self._rests_until = None
            log.warning("circuit closed: the probe succeeded", upstream=self._name)
        if self._rests_until is None:
            self._in_a_row = 0
