"""A client may close its side of the connection when it has sent its request, and read on: `nc -N` does."""

import asyncio
import time

import pytest

from tests.chaos.hostile.client import crowd, get, post, request
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.watch import watched

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

TIMES = 20
REQUESTS = {
    "the probe": (1, get("/livez")),
    "a slow route": (1, get("/slow?seconds=0.5")),
    "a route with a query": (1, get("/v1/orders")),
    "a body": (1, post("/echo", b"x" * 100_000)),
    "a large answer": (1, get("/large")),
    "a pipeline": (5, 4 * get("/v1/orders") + get("/slow?seconds=0.3")),
    "a slow pipeline": (5, 5 * get("/slow?seconds=0.1")),
}


async def test_the_answers_come(attacked: Attacked) -> None:
    server = attacked()
    failed = {}
    async with watched(server):
        for name, (count, sent) in REQUESTS.items():
            statuses = await asyncio.gather(*(statuses_of(server.port, count, sent) for _ in range(TIMES)))
            if lost := [each for each in statuses if each != [200] * count]:
                failed[name] = f"{len(lost)} of {TIMES}, the first {lost[0]}"
        assert not failed


async def statuses_of(port: int, count: int, sent: bytes) -> list[int]:
    async with crowd(port, 1) as [client]:
        await client.send(sent)
        client.end_writing()
        answers = await client.answers(count)
        began = time.monotonic()
        await client.read_to_end(2)  # Nothing can follow.
        assert time.monotonic() - began < 1
    return [answer.status for answer in answers]


async def test_a_part_of_a_request_and_no_more(attacked: Attacked) -> None:
    """There is nothing to wait for."""
    server = attacked()
    parts = [b"", b"GET /", request("POST /echo HTTP/1.1", "Content-Length: 9") + b"x"]
    async with watched(server), crowd(server.port, 20 * len(parts)) as clients:
        for place, client in enumerate(clients):
            await client.send(parts[place % len(parts)])
            client.end_writing()
        await asyncio.gather(*(client.read_to_end(2) for client in clients))
