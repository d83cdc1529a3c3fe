"""Faulty upstreams: each call ends in time, with the right error."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel, HttpUrl
from structlog.testing import capture_logs

from chassis.errors import ServiceError
from chassis.limits import request_timeout
from chassis.upstreams._client import Upstream, UpstreamFailed, UpstreamTimeout, UpstreamUnavailable
from chassis.upstreams._settings import UpstreamSettings
from tests.upstreams import raw_upstream as scenarios
from tests.upstreams.raw_upstream import CHUNKED, RawUpstream, Scenario, for_ever, status
from tests.upstreams.upstreams import SHORT_TIMEOUTS, Outcome, opened, outcome

EITHER = (UpstreamFailed, UpstreamTimeout)  # Too large or too late, depending on the speed of this machine.
FAULTS: dict[str, tuple[Scenario, type[ServiceError] | tuple[type[ServiceError], ...]]] = {
    "hangs": (scenarios.hang, UpstreamTimeout),
    "drips its head": (for_ever(b"HTTP/1.1 200 OK\r\nX: ", b"x", every=0.02), UpstreamTimeout),
    "drips its body": (for_ever(CHUNKED, b"1\r\n \r\n", every=0.02), UpstreamTimeout),
    "resets": (scenarios.reset, UpstreamFailed),
    "resets in the middle": (scenarios.reset_in_the_middle, UpstreamFailed),
    "sends garbage": (scenarios.garbage, UpstreamFailed),
    "sends another document": (status("200 OK", body="[]"), UpstreamFailed),
    "has an endless head": (for_ever(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n" * 1000), UpstreamFailed),
    "has an endless body": (for_ever(CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n"), UpstreamFailed),
    "has an endless body in tiny chunks": (for_ever(CHUNKED, b"1\r\nx\r\n" * 10_000), EITHER),
    "has an endless chunk size": (for_ever(CHUNKED + b"1;", b"x" * 10_000), UpstreamFailed),
    "has endless trailers": (for_ever(CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Y: z\r\n" * 1000), UpstreamFailed),
    "has endless interim responses": (for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), UpstreamTimeout),
    "is broken": (status("500 Oh"), UpstreamFailed),
    "is busy for an hour": (status("503 Busy", "Retry-After: 3600"), UpstreamFailed),
    "has a status of its own": (status("299 Hm", body="{}"), UpstreamFailed),
    "redirects": (status("307 Away", "Location: http://127.0.0.1:1/"), UpstreamFailed),
}


class Payment(BaseModel):
    amount: str = "12.50"


@asynccontextmanager
async def loop_watched(lag: float = 0.4) -> AsyncIterator[None]:
    """Fail if one step of the event loop takes `lag` seconds of this thread's CPU time."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            longest = max(longest, time.thread_time() - before)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
    assert longest < lag


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_an_error_in_time(upstream: RawUpstream, fault: str, method: str) -> None:
    scenario, error = FAULTS[fault]
    upstream.scenarios = [scenario]
    timeouts = {} if error is UpstreamFailed else SHORT_TIMEOUTS
    async with opened(upstream, **timeouts) as client, loop_watched(), asyncio.timeout(30):
        with pytest.raises(error):
            await client.call(method, "payments", Outcome)
    assert method == "GET" or len(upstream.requests) <= 1  # An upstream that only writes may not have read any.


@pytest.mark.parametrize("endless", [fault for fault in FAULTS if "endless" in fault])
async def test_what_is_endless_costs_little_memory(upstream: RawUpstream, endless: str) -> None:
    upstream.scenarios = [FAULTS[endless][0]]
    async with opened(upstream, deadline=0.3) as client:
        tracemalloc.start()
        try:
            for _ in range(3):
                with pytest.raises(EITHER):
                    await client.send("GET", "payments")
            # Both ends' buffers count. Without a limit it would be hundreds of megabytes within the deadline.
            assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(("url", "warned"), [("https://fake.invalid/", 1), ("https://invalid.example/", 0)])
async def test_an_upstream_without_an_address_is_logged(url: str, warned: int) -> None:
    with capture_logs() as logged:
        async with Upstream.open("fake", UpstreamSettings(base_url=HttpUrl(url))):
            pass
    assert [line["event"] for line in logged] == ["upstream has no address yet: calls to it fail"] * warned


async def test_a_redirect_is_not_followed(upstream: RawUpstream) -> None:
    with RawUpstream.running() as other:
        upstream.scenarios = [status("307 Away", f"Location: {other.url}")]
        async with opened(upstream) as client:
            with pytest.raises(UpstreamFailed):
                await client.send("GET", "payments")
        assert other.requests == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_connections_that_the_upstream_closed_are_not_used(upstream: RawUpstream, method: str) -> None:
    upstream.scenarios = [scenarios.good_and_closed]
    async with opened(upstream) as client:
        for _ in range(5):
            assert await client.call(method, "payments", Outcome) == Outcome(ok=True)
            await asyncio.sleep(0.02)
    assert upstream.connections == len(upstream.requests) == 5


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_body_is_sent_as_json(upstream: RawUpstream, method: str) -> None:
    upstream.scenarios = [status("204 Done")]
    async with opened(upstream) as client:
        assert await client.send(method, "payments/7", params={"a": "b c"}, body=Payment()) == b""
    [request] = upstream.requests
    assert request.startswith(f"{method} /v1/payments/7?a=b+c HTTP/1.1\r\n".encode())
    assert b"\r\nContent-Type: application/json\r\n" in request
    assert request.endswith(b'\r\n\r\n{"amount":"12.50"}')


async def test_an_upstream_that_is_down(upstream: RawUpstream) -> None:
    async with opened(upstream) as client:
        client.client.base_url = "http://127.0.0.1:1/"
        with pytest.raises(UpstreamFailed):
            await client.send("GET", "payments")


@pytest.mark.parametrize("line", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "429 Too Many Requests"])
async def test_only_the_named_statuses_raise_the_error_of_the_feature(upstream: RawUpstream, line: str) -> None:
    upstream.scenarios = [status(line)]
    poor = {402: ServiceError("poor")}
    async with opened(upstream, attempts=1) as client:
        with pytest.raises(UpstreamFailed):
            await client.send("GET", "payments", on_status=poor)
        upstream.scenarios = [status("402 Pay")]
        with pytest.raises(ServiceError, match="poor"):
            await client.send("GET", "payments", on_status=poor)


async def test_a_full_pool_fails_at_once_and_recovers(upstream: RawUpstream) -> None:
    upstream.scenarios = [scenarios.hang]
    async with opened(upstream, max_connections=2, pool_timeout=0.05) as client:
        hanging = [asyncio.create_task(client.send("GET", "payments")) for _ in range(2)]
        while len(upstream.requests) < 2:
            await asyncio.sleep(0.01)
        with capture_logs() as lines, pytest.raises(UpstreamUnavailable) as raised:
            await client.send("GET", "payments")
        assert raised.value.headers == {"Retry-After": "1"}
        assert [line["reason"] for line in lines] == ["the connection pool is full"]
        for each in hanging:
            each.cancel()
        await asyncio.wait(hanging)
        upstream.scenarios = [scenarios.good]
        assert await outcome(client) == 200


async def test_faults_release_their_connections(upstream: RawUpstream) -> None:
    faults = [scenario for scenario, _ in FAULTS.values()]
    async with opened(upstream, max_connections=3, deadline=0.2) as client:
        for fault in faults:
            upstream.scenarios = [fault]
            with pytest.raises(ServiceError):
                await client.call("GET", "payments", Outcome)
        upstream.scenarios = [scenarios.good]
        async with asyncio.timeout(20):
            while set(await asyncio.gather(*(outcome(client) for _ in range(9)))) != {200}:
                pass


async def test_cookies_of_one_call_are_not_sent_with_the_next(upstream: RawUpstream) -> None:
    upstream.scenarios = [status("200 OK", "Set-Cookie: session=hunter2; Path=/", body='{"ok": true}')]
    async with opened(upstream) as client:
        for _ in range(2):
            await client.call("GET", "payments", Outcome)
    assert not [request for request in upstream.requests if b"hunter2" in request]


class TestDeadline:
    async def test_the_upstream_gets_the_remaining_time(self, upstream: RawUpstream) -> None:
        upstream.scenarios = [status("503 Busy", "Retry-After: 0"), scenarios.good]
        async with opened(upstream, deadline=20) as client:
            await client.call("GET", "payments", Outcome)
        first, second = [int(header(each, "X-Envoy-Expected-Rq-Timeout-Ms")) for each in upstream.requests]
        assert 15_000 < second < first <= 20_000

    async def test_it_is_the_requests_own_if_that_ends_earlier(self, upstream: RawUpstream) -> None:
        async with opened(upstream, deadline=20) as client, asyncio.timeout(10) as timeout:
            request_timeout.set(timeout)
            await client.send("GET", "payments")
        assert int(header(upstream.requests[0], "X-Envoy-Expected-Rq-Timeout-Ms")) <= 9_950

    async def test_it_ends_the_call_before_the_request_ends(self, upstream: RawUpstream) -> None:
        upstream.scenarios = [scenarios.hang]
        async with opened(upstream) as client, asyncio.timeout(10):
            request_timeout.set(asyncio.timeout(1))  # Not entered, so only the upstream's client can end the call.
            with pytest.raises(UpstreamTimeout):
                await client.send("GET", "payments")

    async def test_without_time_left_no_request_is_sent(self, upstream: RawUpstream) -> None:
        async with opened(upstream, breaker_failure_threshold=1) as client:
            request_timeout.set(asyncio.timeout(0.04))
            for _ in range(2):
                with pytest.raises(UpstreamTimeout):
                    await client.send("GET", "payments")
        assert upstream.requests == []

    async def test_a_request_whose_response_has_started_has_none(self, upstream: RawUpstream) -> None:
        async with opened(upstream) as client:
            request_timeout.set(asyncio.timeout(None))
            assert await outcome(client) == 200


def header(request: bytes, name: str) -> str:
    lines = request.decode().split("\r\n")
    return next(line.partition(": ")[2] for line in lines if line.startswith(f"{name}: "))
