"""Requests that a client sends without waiting for responses, HTTP/1.1's pipeline."""

import asyncio
import time

import pytest

from tests.chaos.hostile.client import Client, crowd, get
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.frames import upgrade
from tests.chaos.hostile.watch import Worker, watched

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

SHORTEST = b"GET / HTTP/1.1\r\nHost:\r\n\r\n"
FLOOD = 6.0  # Seconds.
MAX_PIPELINE = 100


@pytest.mark.parametrize("pause", [0, 0.5], ids=["in one packet", "later"])
async def test_unread_pipelines_before_an_upgrade(attacked: Attacked, pause: float) -> None:
    server = attacked(MAX_CONCURRENCY=20)
    async with watched(server, ("/livez",)), crowd(server.port, 22, buffer=4096) as clients:
        for client in clients:
            await client.send(20 * get("/large") + (b"" if pause else upgrade("/socket")), within=0.2)
        await asyncio.sleep(0.5)
        if pause:
            for client in clients:
                await client.send(upgrade("/socket"), within=0.2)
            await asyncio.sleep(pause)


@pytest.mark.parametrize("reading", [False, True], ids=["unread", "read"])
async def test_a_pipeline_without_end(attacked: Attacked, *, reading: bool) -> None:
    server = attacked()
    async with watched(server) as worker:
        ends = time.monotonic() + FLOOD
        while time.monotonic() < ends and worker.unharmed:
            async with crowd(server.port, 1) as [client]:
                reader = asyncio.create_task(client.read_to_end(FLOOD + 5) if reading else asyncio.sleep(0))
                await flood(client, worker, ends)
                await asyncio.wait([reader], timeout=1)
                reader.cancel()


async def flood(client: Client, worker: Worker, ends: float) -> None:
    while time.monotonic() < ends and worker.unharmed:
        if not await client.send(2_000 * SHORTEST, within=1):
            return
        client.received = b""


async def test_requests_that_may_not_wait(attacked: Attacked) -> None:
    """The earlier responses come, in order, and then the connection is closed."""
    server = attacked()
    async with watched(server), crowd(server.port, 1) as [client]:
        await client.send(numbered(2 * MAX_PIPELINE))
        answers = await client.answers(2 * MAX_PIPELINE)
        assert client.ended
        ids = [answer.headers["x-request-id"] for answer in answers if answer.status == 200]
        assert ids == [str(number) for number in range(len(ids))]
        assert MAX_PIPELINE <= len(ids) <= MAX_PIPELINE + 2


async def test_a_pipeline_of_an_ordinary_client(attacked: Attacked) -> None:
    server = attacked()
    async with watched(server), crowd(server.port, 1) as [client]:
        for _ in range(3):
            client.received = b""
            await client.send(numbered(50))
            answers = await client.answers(50)
            assert [answer.status for answer in answers] == [200] * 50
            assert [answer.headers["x-request-id"] for answer in answers] == [
                str(number) for number in range(50)
            ]


def numbered(count: int) -> bytes:
    return b"".join(get("/v1/orders", f"X-Request-ID: {number}") for number in range(count))
