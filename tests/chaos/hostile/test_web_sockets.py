"""WebSockets: each takes a slot as a request does, and what its client sends or does not read is bounded."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from tests.chaos.hostile.client import Client, crowd, get, status
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.frames import CLOSE, CONTINUATION, PING, TEXT, frame, opened, upgrade
from tests.chaos.hostile.watch import Worker, watched
from tests.server.load import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

FLOOD = 3.0  # Seconds.
MEGABYTE = 1 << 20


async def test_open_sockets_take_slots(attacked: Attacked) -> None:
    server = attacked(MAX_CONCURRENCY=5)
    async with watched(server, ("/livez",)), crowd(server.port, 6) as clients:
        for client in clients[:5]:
            await opened(client, "/socket")
        assert await clients[5].ask(upgrade("/socket")) == 503
        assert await status(server.port, "/v1/orders") == 503
        await clients[0].send(frame(TEXT, b"hello"))
        assert await clients[0].read() == b"\x81\x05hello"
        await clients[0].send(frame(CLOSE))
        await clients[0].read_to_end(3)
        await asyncio.sleep(0.2)
        assert await status(server.port, "/v1/orders") == 200


@pytest.mark.parametrize("leaving", [False, True], ids=["staying", "leaving"])
async def test_a_route_that_does_not_decide(attacked: Attacked, *, leaving: bool) -> None:
    server = attacked(MAX_CONCURRENCY=20, DEADLINE=2)
    async with watched(server, ("/livez",)):
        async with crowd(server.port, 20) as clients:
            for client in clients:
                await client.send(upgrade("/undecided"))
            if leaving:
                await asyncio.sleep(0.2)
            else:
                answers = await asyncio.gather(*(client.read_to_end(3.5) for client in clients))
                assert {answer[9:12] for answer in answers} <= {b"504", b"403", b""}
        await until(lambda: server.status("/v1/orders") == 200, "for slots", 3)


FRAGMENT = frame(TEXT, last=False)
FLOODS = {
    "messages that the route does not read": ("/deaf", b"", 100 * frame(TEXT, bytes(1_000))),
    "empty messages that the route does not read": ("/deaf", b"", 10_000 * frame(TEXT)),
    "echoes that the client does not read": ("/socket", b"", 100 * frame(TEXT, bytes(1_000))),
    "pongs that the client does not read": ("/socket", b"", 1_000 * frame(PING, bytes(125))),
    "pongs of a route that reads nothing": ("/deaf", b"", 1_000 * frame(PING, bytes(125))),
    "empty fragments": ("/socket", FRAGMENT, 10_000 * frame(CONTINUATION, last=False)),
    "small fragments": ("/socket", FRAGMENT, 10_000 * frame(CONTINUATION, b"x", last=False)),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood(attacked: Attacked, name: str) -> None:
    server = attacked()
    path, start, more = FLOODS[name]
    async with watched(server) as worker, crowd(server.port, 2, buffer=4096) as clients:
        for client in clients:
            await opened(client, path)
            await client.send(start)
        await asyncio.gather(*(send_on(client, more, worker) for client in clients))
        if start:
            await asyncio.gather(*(client.read_to_end(1) for client in clients))


async def send_on(client: Client, more: bytes, worker: Worker) -> None:
    ends = time.monotonic() + FLOOD
    while time.monotonic() < ends and worker.unharmed and await client.send(more, within=1):
        pass


async def test_many_large_fragments(attacked: Attacked) -> None:
    """Each message is closed at its limit, so the memory of many is bounded too."""
    server = attacked()
    part = frame(CONTINUATION, bytes(64 * 1024), last=False)
    async with watched(server) as worker, crowd(server.port, 30) as clients:
        for client in clients:
            await opened(client, "/socket")
            await client.send(FRAGMENT)
        await asyncio.gather(*(send_on(client, part, worker) for client in clients))


@pytest.mark.parametrize("fragments", [False, True], ids=["one frame", "fragments"])
async def test_a_message_above_the_limit(attacked: Attacked, *, fragments: bool) -> None:
    """The close frame says 1009, message too big, as soon as the size is known."""
    server = attacked()
    async with watched(server), crowd(server.port, 3) as clients:
        for client in clients:
            await opened(client, "/socket")
            async with reading(client):
                if fragments:
                    await client.send(frame(TEXT, bytes(MEGABYTE), last=False))
                    for _ in range(17):
                        if not await client.send(frame(CONTINUATION, bytes(MEGABYTE), last=False), within=1):
                            break
                else:
                    await client.send(frame(TEXT, bytes(17 * MEGABYTE))[:100])
            assert client.ended
            assert client.received[2:4] == (1009).to_bytes(2), client.received


@contextlib.asynccontextmanager
async def reading(client: Client) -> AsyncIterator[None]:
    task = asyncio.create_task(client.read_to_end())
    try:
        yield
        await asyncio.wait([task], timeout=3)
    finally:
        task.cancel()


async def test_clients_that_disappear(attacked: Attacked) -> None:
    server = attacked(MAX_CONCURRENCY=20, DEADLINE=2)
    async with watched(server, ("/livez",)):
        for _ in range(2):
            async with crowd(server.port, 20, reset=True) as clients:
                for client in clients:
                    await opened(client, "/socket")
            await until(lambda: server.status("/v1/orders") == 200, "for slots", 3)


async def test_sockets_that_do_not_answer_a_close(attacked: Attacked) -> None:
    server = attacked(MAX_CONCURRENCY=20, HEAD_TIMEOUT=2)
    async with watched(server, ("/livez",)), crowd(server.port, 20, buffer=4096) as clients:
        for client in clients:
            await opened(client, "/brief")
        await until(lambda: server.status("/v1/orders") == 200, "for slots", 3)
        assert await clients[0].ask(get("/livez"), 1) == 0
