"""What a call to another service costs: pooled or not, over httpx2's own transport or aiohttp's, by turns.

`python callers.py URL ROUNDS SECONDS`, where the service and those transports are installed; prints JSON.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import uvloop
from chassis.upstreams import Upstream, UpstreamSettings
from httpx_aiohttp.httpx2 import AiohttpTransport
from pydantic import HttpUrl
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

CONCURRENCY = 32
URL, ROUNDS, SECONDS = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

type Call = Callable[[], Awaitable[Any]]


async def main() -> None:
    async with AsyncExitStack() as stack:
        calls = {name: await stack.enter_async_context(caller(URL)) for name, caller in CALLERS.items()}
        measured = {name: each async for name, each in rounds(calls)}
    print(json.dumps({"calls": measured, "tenacity_us": round(await cost_of_tenacity() * 1e6, 1)}))


async def rounds(calls: dict[str, Call]) -> AsyncIterator[tuple[str, dict[str, float]]]:
    """Yield the medians of the calls a second and of the 99th percentiles."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            measured[name].append(await load(call))
    for name, each in measured.items():
        rates, tails = zip(*each, strict=True)
        yield (
            name,
            {"rate": round(statistics.median(rates), 1), "p99_ms": round(statistics.median(tails) * 1e3, 2)},
        )


async def load(call: Call) -> tuple[float, float]:
    latencies: list[float] = []
    started = time.perf_counter()

    async def caller() -> None:
        while (before := time.perf_counter()) < started + SECONDS:
            await call()
            latencies.append(time.perf_counter() - before)

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    rate = len(latencies) / (time.perf_counter() - started)
    return rate, statistics.quantiles(latencies, n=100)[98]


@asynccontextmanager
async def per_call(url: str) -> AsyncIterator[Call]:
    async def call() -> None:
        async with httpx2.AsyncClient() as client:
            await client.get(url)

    yield call


@asynccontextmanager
async def bare(url: str, transport: httpx2.AsyncBaseTransport | None = None) -> AsyncIterator[Call]:
    async with httpx2.AsyncClient(transport=transport) as client:
        yield lambda: client.get(url)


@asynccontextmanager
async def upstream(url: str, transport: httpx2.AsyncBaseTransport | None = None) -> AsyncIterator[Call]:
    settings = UpstreamSettings(base_url=HttpUrl(url))
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(Upstream.open("fake", settings))
        if transport:
            own = opened.client
            client = httpx2.AsyncClient(
                base_url=own.base_url, timeout=own.timeout, event_hooks=own.event_hooks, transport=transport
            )
            opened = replace(opened, client=await stack.enter_async_context(client))
        yield lambda: opened.send("GET", "")


CALLERS = {
    "per_call": per_call,
    "pooled": bare,
    "pooled_aiohttp": lambda url: bare(url, AiohttpTransport()),
    "upstream": upstream,
    "upstream_aiohttp": lambda url: upstream(url, AiohttpTransport()),
}


async def cost_of_tenacity(calls: int = 5000) -> float:
    async def nothing() -> None:
        """Succeed at once."""

    started = time.perf_counter()
    for _ in range(calls):
        await AsyncRetrying(
            retry=retry_if_exception_type(OSError),
            wait=wait_random_exponential(0.1, 1),
            stop=stop_after_attempt(3),
        )(nothing)
    return (time.perf_counter() - started) / calls


if __name__ == "__main__":
    uvloop.run(main())
