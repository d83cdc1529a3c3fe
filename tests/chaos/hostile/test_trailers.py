"""What a chunked body has besides its data: trailers, chunk extensions, very small chunks."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import pytest

from tests.chaos.hostile.client import Client, chunk, crowd, request
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.watch import Worker, watched

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

MEGABYTE = 1 << 20
FIELD = b"a: b\r\n"
DEADLINE = {"DEADLINE": 2, "HEAD_TIMEOUT": 2}


def chunked(path: str, *headers: str) -> bytes:
    return request(
        f"POST {path} HTTP/1.1", "Transfer-Encoding: chunked", "Content-Type: application/json", *headers
    )


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param((chunk(b"x") + b"0\r\n", FIELD * 10_000), id="many trailers"),
        pytest.param((chunk(b"x") + b"0\r\na: ", b"b" * 60_000), id="one trailer without end"),
        pytest.param((chunk(b"x") + b"0\r\n", b"b" * 60_000), id="a name without end"),
        pytest.param((b"5;", b"a" * 60_000), id="one chunk extension without end"),
        pytest.param((b"", b"1;" + b"a" * 1_000 + b"\r\nx\r\n"), id="an extension of each chunk"),
        pytest.param((b"", b"0" * 60_000), id="a chunk size without end"),
    ],
)
async def test_more_than_a_body_may_have(attacked: Attacked, flood: tuple[bytes, bytes]) -> None:
    """The server closes the connection in time, whether the client reads or not."""
    server = attacked(**DEADLINE)
    start, more = flood
    async with watched(server) as worker, crowd(server.port, 1) as [client]:
        await client.send(chunked("/echo") + start)
        began = time.monotonic()
        async with draining(client):
            while await sent(client, more, worker) and time.monotonic() - began < 4:
                pass
        assert client.ended, f"open after {time.monotonic() - began:.1f} s"


@contextlib.asynccontextmanager
async def draining(client: Client) -> AsyncIterator[None]:
    reading = asyncio.create_task(client.read_to_end())
    try:
        yield
        await asyncio.wait([reading], timeout=2)
    finally:
        reading.cancel()


async def sent(client: Client, more: bytes, worker: Worker) -> bool:
    return worker.unharmed and not client.ended and await client.send(more, within=3)


@pytest.mark.parametrize("size", [33 * 1024, 65 * MEGABYTE], ids=["above the limit", "65 MB"])
@pytest.mark.parametrize("field", [FIELD, b"a: " + b"b" * 8_000 + b"\r\n"], ids=["small", "large"])
async def test_trailers_above_the_limit_of_a_head(attacked: Attacked, field: bytes, size: int) -> None:
    server = attacked()
    async with watched(server) as worker, crowd(server.port, 1) as [client]:
        await client.send(chunked("/echo") + chunk(b"x") + b"0\r\n")
        await asyncio.sleep(0.1)
        async with draining(client):
            for _ in range(0, size, 64 * 1024):
                if not await sent(client, (field * (1 + min(size, 64 * 1024) // len(field))), worker):
                    break
        assert client.received.startswith(b"HTTP/1.1 431 "), client.received[:200]
        assert client.ended


async def test_many_small_trailers(attacked: Attacked) -> None:
    """They are dropped, so only their size counts."""
    server = attacked()
    async with watched(server), crowd(server.port, 1) as [client]:
        await client.send(chunked("/echo") + chunk(b"x") + b"0\r\n" + FIELD * 200 + b"\r\n")
        assert [answer.status for answer in await client.answers(1)] == [200]


async def test_trailers_have_no_effect(attacked: Attacked) -> None:
    """Trailers do not count as headers: RFC 9110, 6.5.1. A proxy may have removed such a header."""
    server = attacked()
    trailers = b"Idempotency-Key: 0191d9a4-1111-7000-8000-000000000000\r\nX-Request-ID: trailer\r\n\r\n"
    placed = []
    async with watched(server), crowd(server.port, 1) as [client]:
        for number in range(2):
            order = order_of(f"trailers-{time.time_ns()}-{number}")
            await client.send(chunked("/v1/orders") + chunk(order) + b"0\r\n" + trailers)
            placed += (await client.answers(number + 1))[number:]
    assert [answer.status for answer in placed] == [201, 201], placed
    assert placed[0].json["id"] != placed[1].json["id"]
    for answer in placed:
        assert answer.headers["x-request-id"] != "trailer"
        assert "idempotent-replayed" not in answer.headers


def order_of(reference: str) -> bytes:
    return json.dumps({"reference": reference, "amount": "12.50", "currency": "EUR"}).encode()


@pytest.mark.parametrize(("size", "status"), [(200_000, 200), (MEGABYTE + 1, 413)])
async def test_chunks_of_one_byte(attacked: Attacked, size: int, status: int) -> None:
    server = attacked()
    async with watched(server), crowd(server.port, 1) as [client]:
        async with draining(client):
            await client.send(
                chunked("/echo", "Connection: close") + chunk(b"x") * size + b"0\r\n\r\n", within=5
            )
        [answer] = await client.answers(1)
        assert answer.status == status
        if status == 200:
            assert answer.body == b"x" * size
