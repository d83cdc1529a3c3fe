"""The circuit breaker of a faulty upstream: when it opens, what it lets through, and what it logs."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from chassis.upstreams._breaker import Breaker
from chassis.upstreams._client import UpstreamUnavailable
from tests.upstreams import raw_upstream as scenarios
from tests.upstreams.raw_upstream import RawUpstream, status
from tests.upstreams.upstreams import opened, outcome


async def test_each_change_of_state_is_logged(upstream: RawUpstream) -> None:
    upstream.scenarios = [status("500 Oh")] * 3 + [scenarios.good]
    now = 0.0
    async with opened(upstream) as opened_client:
        client = replace(
            opened_client, breaker=Breaker("fake", failure_threshold=3, reset_timeout=60, clock=lambda: now)
        )
        with capture_logs() as lines:
            outcomes = [await outcome(client) for _ in range(5)]
            now += 60
            outcomes += await asyncio.gather(*(outcome(client) for _ in range(3)))
            outcomes += [await outcome(client)]
    assert outcomes == [502, 502, 502, 503, 503, 200, 503, 503, 200]
    assert len(upstream.requests) == 5
    assert [(line["event"], line["log_level"]) for line in lines if "circuit breaker" in line["event"]] == [
        ("circuit breaker open", "error"),
        ("circuit breaker half-open: sending one probe", "warning"),
        ("circuit breaker closed: the probe succeeded", "warning"),
    ]


async def test_a_probe_is_one_request(upstream: RawUpstream) -> None:
    upstream.scenarios = [scenarios.reset]
    async with opened(upstream, breaker_failure_threshold=1, breaker_reset_timeout=0.05, attempts=2) as client:
        assert [await outcome(client), len(upstream.requests)] == [502, 2]
        await asyncio.sleep(0.1)
        assert [await outcome(client), len(upstream.requests)] == [502, 3]


async def test_a_hanging_upstream_opens_it_and_a_client_that_gives_up_does_not(upstream: RawUpstream) -> None:
    upstream.scenarios = [scenarios.hang]
    async with opened(upstream, breaker_failure_threshold=1, deadline=0.5) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send("GET", "payments"), 0.05)
        assert [await outcome(client) for _ in range(2)] == [504, 503]


async def test_4xx_and_a_full_pool_do_not_open_it(upstream: RawUpstream) -> None:
    upstream.scenarios = [status("404 No"), scenarios.hang]
    async with opened(upstream, breaker_failure_threshold=1, max_connections=1, pool_timeout=0.02) as client:
        assert await outcome(client) == 502
        hanging = asyncio.create_task(outcome(client))
        while len(upstream.requests) < 2:
            await asyncio.sleep(0.01)
        assert [await outcome(client) for _ in range(2)] == [503, 503]
        hanging.cancel()
        await asyncio.wait([hanging])
    assert len(upstream.requests) == 2


async def test_retry_after_is_the_time_until_the_next_probe(upstream: RawUpstream) -> None:
    upstream.scenarios = [scenarios.reset]
    async with opened(upstream, breaker_failure_threshold=1, breaker_reset_timeout=6.5) as client:
        await outcome(client)
        with pytest.raises(UpstreamUnavailable) as raised:
            await client.send("POST", "payments")
    assert raised.value.headers == {"Retry-After": "7"}
