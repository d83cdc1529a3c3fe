"""Which calls are retried, when, and how often."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, HttpUrl
from structlog.testing import capture_logs

from chassis.upstreams._client import Upstream, UpstreamFailed
from chassis.upstreams._retries import RetryBudget, parse_retry_after
from chassis.upstreams._settings import UpstreamSettings
from tests.upstreams import raw_upstream as scenarios
from tests.upstreams.raw_upstream import RawUpstream, status

TRANSIENT = {
    "reset": scenarios.reset,
    "reset in the middle": scenarios.reset_in_the_middle,
    "garbage": scenarios.garbage,
    "502": status("502 Bad"),
    "503": status("503 Busy", "Retry-After: 0"),
    "504": status("504 Late"),
    "429": status("429 Slow down"),
}
LASTING = {"500": status("500 Oh"), "404": status("404 No"), "501": status("501 No"), "hang": scenarios.hang}


class Payment(BaseModel):
    amount: str = "12.50"


@pytest.fixture(scope="module")
def server() -> Iterator[RawUpstream]:
    with RawUpstream.running() as server:
        yield server


@pytest.fixture
def upstream(server: RawUpstream) -> RawUpstream:
    server.scenarios = [scenarios.good]
    server.requests.clear()
    return server


@asynccontextmanager
async def opened(upstream: RawUpstream, **settings: Any) -> AsyncIterator[Upstream]:
    given = {"deadline": 20, "read_timeout": 15, "breaker_failure_threshold": 1000} | settings
    async with Upstream.open("fake", UpstreamSettings(base_url=HttpUrl(upstream.url), **given)) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("fault", TRANSIENT)
async def test_idempotent_calls_are_retried(upstream: RawUpstream, method: str, fault: str) -> None:
    upstream.scenarios = [TRANSIENT[fault], TRANSIENT[fault], scenarios.good]
    async with opened(upstream) as client:
        assert await client.send(method, "payments/7", body=Payment()) == b'{"ok": true}'
    bodies = [request.partition(b"\r\n\r\n")[2] for request in upstream.requests]
    assert bodies == [b'{"amount":"12.50"}'] * 3


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("fault", TRANSIENT)
async def test_other_calls_are_sent_once(upstream: RawUpstream, method: str, fault: str) -> None:
    upstream.scenarios = [TRANSIENT[fault], scenarios.good]
    async with opened(upstream) as client:
        with pytest.raises(UpstreamFailed):
            await client.send(method, "payments", body=Payment())
    assert len(upstream.requests) == 1


async def test_with_an_idempotency_key_they_are_retried(upstream: RawUpstream) -> None:
    upstream.scenarios = [scenarios.reset, scenarios.good]
    async with opened(upstream) as client:
        await client.send("POST", "payments", body=Payment(), idempotency_key="k-7")
    assert [b"\r\nIdempotency-Key: k-7\r\n" in request for request in upstream.requests] == [True, True]


@pytest.mark.parametrize("fault", LASTING)
async def test_lasting_faults_are_not_retried(upstream: RawUpstream, fault: str) -> None:
    upstream.scenarios = [LASTING[fault], scenarios.good]
    async with opened(upstream, read_timeout=0.5 if fault == "hang" else 15) as client:
        with pytest.raises(Exception, match="fake"):
            await client.send("GET", "payments")
    assert len(upstream.requests) == 1


async def test_after_the_last_attempt_the_call_fails(upstream: RawUpstream) -> None:
    upstream.scenarios = [scenarios.reset]
    async with opened(upstream, attempts=3) as client:
        with capture_logs() as lines, pytest.raises(UpstreamFailed):
            await client.send("GET", "payments")
    assert len(upstream.requests) == 3
    retried = "retrying upstream call"
    assert [line["event"] for line in lines] == [retried, retried, "upstream call failed"]


async def test_retry_after_is_honoured(upstream: RawUpstream) -> None:
    upstream.scenarios = [status("503 Busy", "Retry-After: 1"), scenarios.good]
    loop = asyncio.get_running_loop()
    async with opened(upstream) as client:
        started = loop.time()
        await client.send("GET", "payments")
    assert 1 <= loop.time() - started < 10


@pytest.mark.parametrize("asked", ["20", "3600", "9" * 400])
async def test_a_wait_past_the_deadline_is_not_begun(upstream: RawUpstream, asked: str) -> None:
    upstream.scenarios = [status("503 Busy", f"Retry-After: {asked}"), scenarios.good]
    async with opened(upstream, deadline=20) as client, asyncio.timeout(15):
        with pytest.raises(UpstreamFailed):
            await client.send("GET", "payments")
    assert len(upstream.requests) == 1


async def test_the_budget_limits_the_retries_to_a_failing_upstream(upstream: RawUpstream) -> None:
    upstream.scenarios = [scenarios.reset]
    async with opened(upstream, retry_ratio=0.1) as client:
        with capture_logs() as lines:
            for _ in range(4):
                await asyncio.gather(*(client.send("GET", "x") for _ in range(25)), return_exceptions=True)
    assert 110 <= len(upstream.requests) <= 100 + 10 + 100 * 0.1
    assert "retry budget exhausted" in {line["event"] for line in lines}


@given(st.floats(0, 1), st.lists(st.booleans(), max_size=500))
def test_retries_stay_within_the_budget(ratio: float, calls: list[bool]) -> None:
    """For any series of calls (True) and retries (False)."""
    budget, deposited, retries, most = RetryBudget(ratio), 0.0, 0, 0.0
    for is_call in calls:
        if is_call:
            budget.deposit()
            deposited += ratio
        else:
            retries += budget.withdraw()
        most = max(most, retries - deposited)
    assert most <= RetryBudget.CAPACITY + 1e-6


@given(st.integers(0, 100))
def test_calls_refill_a_budget_up_to_its_capacity(calls: int) -> None:
    budget = RetryBudget(0.5)
    while budget.withdraw():
        pass
    for _ in range(calls):
        budget.deposit()
    assert sum(budget.withdraw() for _ in range(100)) == min(calls // 2, 10)


@given(st.text())
def test_any_retry_after_can_be_read(text: str) -> None:
    assert parse_retry_after(text) >= 0


def test_retry_after_is_a_number_of_seconds_or_a_date() -> None:
    now = datetime.now(UTC)
    assert parse_retry_after("7") == 7
    assert 59 < parse_retry_after(format_datetime(now + timedelta(seconds=61), usegmt=True)) <= 61
    assert parse_retry_after(format_datetime(now - timedelta(seconds=61), usegmt=True)) == 0
    for neither in (None, "", "-1", "1.5", "²", "soon", "Mon, 01 Jan 2999 00:00:00 -0000"):
        assert parse_retry_after(neither) == 0
