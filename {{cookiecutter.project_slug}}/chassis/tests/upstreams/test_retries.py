"""What is sent again, when, and how often at most."""

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
from chassis.upstreams._retries import RetryBudget, seconds
from chassis.upstreams._settings import UpstreamSettings
from tests.upstreams import raw_upstream as manners
from tests.upstreams.raw_upstream import RawUpstream, status

TRANSIENT = {
    "reset": manners.reset,
    "reset in the middle": manners.reset_in_the_middle,
    "garbage": manners.garbage,
    "502": status("502 Bad"),
    "503": status("503 Busy", "Retry-After: 0"),
    "504": status("504 Late"),
    "429": status("429 Slow down"),
}
LASTING = {"500": status("500 Oh"), "404": status("404 No"), "501": status("501 No"), "hang": manners.hang}


class Payment(BaseModel):
    amount: str = "12.50"


@pytest.fixture(scope="module")
def server() -> Iterator[RawUpstream]:
    with RawUpstream.running() as server:
        yield server


@pytest.fixture
def upstream(server: RawUpstream) -> RawUpstream:
    server.manners = [manners.good]
    server.requests.clear()
    return server


@asynccontextmanager
async def opened(upstream: RawUpstream, **settings: Any) -> AsyncIterator[Upstream]:
    given = {"deadline": 20, "read_timeout": 15, "breaker_failure_threshold": 1000} | settings
    async with Upstream.open("fake", UpstreamSettings(base_url=HttpUrl(upstream.url), **given)) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("fault", TRANSIENT)
async def test_idempotent_calls_are_sent_again(upstream: RawUpstream, method: str, fault: str) -> None:
    upstream.manners = [TRANSIENT[fault], TRANSIENT[fault], manners.good]
    async with opened(upstream) as client:
        assert await client.send(method, "payments/7", body=Payment()) == b'{"ok": true}'
    bodies = [request.partition(b"\r\n\r\n")[2] for request in upstream.requests]
    assert bodies == [b'{"amount":"12.50"}'] * 3


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("fault", TRANSIENT)
async def test_others_are_sent_once(upstream: RawUpstream, method: str, fault: str) -> None:
    upstream.manners = [TRANSIENT[fault], manners.good]
    async with opened(upstream) as client:
        with pytest.raises(UpstreamFailed):
            await client.send(method, "payments", body=Payment())
    assert len(upstream.requests) == 1


async def test_under_an_idempotency_key_they_are_sent_again(upstream: RawUpstream) -> None:
    upstream.manners = [manners.reset, manners.good]
    async with opened(upstream) as client:
        await client.send("POST", "payments", body=Payment(), idempotency_key="k-7")
    assert [b"\r\nIdempotency-Key: k-7\r\n" in request for request in upstream.requests] == [True, True]


@pytest.mark.parametrize("fault", LASTING)
async def test_what_lasts_is_not_tried_again(upstream: RawUpstream, fault: str) -> None:
    upstream.manners = [LASTING[fault], manners.good]
    async with opened(upstream, read_timeout=0.5 if fault == "hang" else 15) as client:
        with pytest.raises(Exception, match="fake"):
            await client.send("GET", "payments")
    assert len(upstream.requests) == 1


async def test_after_the_last_attempt_the_outcome_stands(upstream: RawUpstream) -> None:
    upstream.manners = [manners.reset]
    async with opened(upstream, attempts=3) as client:
        with capture_logs() as lines, pytest.raises(UpstreamFailed):
            await client.send("GET", "payments")
    assert len(upstream.requests) == 3
    retried = "upstream call is tried again"
    assert [line["event"] for line in lines] == [retried, retried, "upstream call failed"]


async def test_retry_after_is_honoured(upstream: RawUpstream) -> None:
    upstream.manners = [status("503 Busy", "Retry-After: 1"), manners.good]
    loop = asyncio.get_running_loop()
    async with opened(upstream) as client:
        started = loop.time()
        await client.send("GET", "payments")
    assert 1 <= loop.time() - started < 10


@pytest.mark.parametrize("asked", ["20", "3600", "9" * 400])
async def test_a_wait_past_the_deadline_is_not_begun(upstream: RawUpstream, asked: str) -> None:
    upstream.manners = [status("503 Busy", f"Retry-After: {asked}"), manners.good]
    async with opened(upstream, deadline=20) as client, asyncio.timeout(15):
        with pytest.raises(UpstreamFailed):
            await client.send("GET", "payments")
    assert len(upstream.requests) == 1


async def test_a_dying_upstream_is_not_hammered(upstream: RawUpstream) -> None:
    upstream.manners = [manners.reset]
    async with opened(upstream, retry_ratio=0.1) as client:
        with capture_logs() as lines:
            for _ in range(4):
                await asyncio.gather(*(client.send("GET", "x") for _ in range(25)), return_exceptions=True)
    assert 110 <= len(upstream.requests) <= 100 + 10 + 100 * 0.1
    assert "retry budget is spent" in {line["event"] for line in lines}


@given(st.floats(0, 1), st.lists(st.booleans(), max_size=500))
def test_retries_stay_within_the_budget(share: float, calls: list[bool]) -> None:
    """Any series of calls (True) and wishes to retry, from its start and from any later moment."""
    budget, earned, spent, most = RetryBudget(share), 0.0, 0, 0.0
    for is_call in calls:
        if is_call:
            budget.earn()
            earned += share
        else:
            spent += budget.spend()
        most = max(most, spent - earned)
    assert most <= RetryBudget.RESERVE + 1e-6


@given(st.integers(0, 100))
def test_a_budget_fills_again_with_calls_and_no_further_than_its_reserve(calls: int) -> None:
    budget = RetryBudget(0.5)
    while budget.spend():
        pass
    for _ in range(calls):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == min(calls // 2, 10)


@given(st.text())
def test_any_retry_after_can_be_read(text: str) -> None:
    assert seconds(text) >= 0


def test_retry_after_is_a_number_of_seconds_or_a_date() -> None:
    now = datetime.now(UTC)
    assert seconds("7") == 7
    assert 59 < seconds(format_datetime(now + timedelta(seconds=61), usegmt=True)) <= 61
    assert seconds(format_datetime(now - timedelta(seconds=61), usegmt=True)) == 0
    for neither in (None, "", "-1", "1.5", "²", "soon", "Mon, 01 Jan 2999 00:00:00 -0000"):
        assert seconds(neither) == 0
