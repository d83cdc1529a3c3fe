"""The circuit breaker compared with a model, with a fake clock."""

import asyncio
from contextlib import AbstractContextManager

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from chassis.upstreams._breaker import Breaker, CircuitOpen

FAILURE_THRESHOLD, RESET_TIMEOUT = 2, 10.0


class Failure(Exception):
    pass


class Call:
    """An active call. `end` it with an exception, or without one for a success."""

    def __init__(self, guard: AbstractContextManager[bool]) -> None:
        self._guard = guard
        self.probe = guard.__enter__()

    def end(self, error: BaseException | None = None) -> None:
        assert not self._guard.__exit__(type(error) if error else None, error, None)


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin and end in any order. The model knows only the state, and which call is the probe."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(
            "fake", failure_threshold=FAILURE_THRESHOLD, reset_timeout=RESET_TIMEOUT, clock=lambda: self.now
        )
        self.open_until: float | None = None
        self.consecutive_failures = 0
        self.probe: Call | None = None

    calls = Bundle("calls")

    def half_open(self) -> bool:
        return self.open_until is not None and self.now >= self.open_until

    @rule(seconds=st.sampled_from([1.0, RESET_TIMEOUT]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.open_until is None)
    @rule(target=calls)
    def begin(self) -> Call:
        call = Call(self.breaker.guard(Failure))
        assert not call.probe
        return call

    @precondition(lambda self: self.half_open() and self.probe is None)
    @rule(target=calls)
    def begin_the_probe(self) -> Call:
        self.probe = Call(self.breaker.guard(Failure))
        assert self.probe.probe
        return self.probe

    @precondition(lambda self: self.open_until is not None and not (self.half_open() and self.probe is None))
    @rule()
    def be_rejected(self) -> None:
        with pytest.raises(CircuitOpen) as rejected:
            Call(self.breaker.guard(Failure))
        assert self.open_until is not None
        assert rejected.value.seconds == pytest.approx(max(self.open_until - self.now, 0))

    @rule(call=consumes(calls))
    def succeed(self, call: Call) -> None:
        call.end()
        if call is self.probe:
            self.open_until = self.probe = None
        if self.open_until is None:
            self.consecutive_failures = 0

    @rule(call=consumes(calls))
    def fail(self, call: Call) -> None:
        call.end(Failure())
        self.consecutive_failures += 1
        if call is self.probe or (self.open_until is None and self.consecutive_failures >= FAILURE_THRESHOLD):
            self.open_until = self.now + RESET_TIMEOUT
        if call is self.probe:
            self.probe = None

    @rule(call=consumes(calls), error=st.sampled_from([asyncio.CancelledError, ValueError, KeyboardInterrupt]))
    def end_as_neither(self, call: Call, error: type[BaseException]) -> None:
        call.end(error())
        if call is self.probe:
            self.probe = None

    @invariant()
    def stays_closed_below_the_threshold_of_consecutive_failures(self) -> None:
        assert self.open_until is not None or self.consecutive_failures < FAILURE_THRESHOLD


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=40, stateful_step_count=30)


async def test_of_ten_calls_at_once_one_is_the_probe() -> None:
    now = 0.0
    breaker = Breaker("fake", failure_threshold=1, reset_timeout=RESET_TIMEOUT, clock=lambda: now)
    with pytest.raises(Failure), breaker.guard(Failure):
        raise Failure
    now = RESET_TIMEOUT

    async def call() -> bool:
        try:
            with breaker.guard(Failure) as probe:
                await asyncio.sleep(0)
                return probe
        except CircuitOpen:
            return False

    assert sum(await asyncio.gather(*(call() for _ in range(10)))) == 1


def test_a_call_from_before_does_not_count_as_the_probe() -> None:
    now = 0.0
    breaker = Breaker("fake", failure_threshold=1, reset_timeout=RESET_TIMEOUT, clock=lambda: now)
    before, failing = Call(breaker.guard(Failure)), Call(breaker.guard(Failure))
    failing.end(Failure())
    now = RESET_TIMEOUT
    probe = Call(breaker.guard(Failure))
    before.end()
    with pytest.raises(CircuitOpen):
        Call(breaker.guard(Failure))
    probe.end()
    assert not Call(breaker.guard(Failure)).probe


def test_after_a_cancelled_probe_the_next_call_is_the_probe() -> None:
    now = 0.0
    breaker = Breaker("fake", failure_threshold=1, reset_timeout=RESET_TIMEOUT, clock=lambda: now)
    with pytest.raises(Failure), breaker.guard(Failure):
        raise Failure
    now = RESET_TIMEOUT
    for _ in range(3):
        call = Call(breaker.guard(Failure))
        assert call.probe
        call.end(asyncio.CancelledError())
