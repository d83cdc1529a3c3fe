"""Clients that ask and then do not read, or send a part of a request and then nothing."""

import asyncio
import time

import pytest

from tests.chaos.hostile.client import Client, chunk, crowd, get, parsed, request
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.frames import upgrade
from tests.chaos.hostile.watch import watched
from tests.chaos.http_connection import Answer
from tests.server.load import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

MANY = 258  # More than MAX_CONCURRENCY.
WRITE_TIMEOUT = 2
MARGIN = 2.5  # Seconds: to connect, to answer, and to close them all.
SMALLEST = 4096  # What the kernel receives for a client that does not read.
ASKED = {
    "a large body": (MANY, get("/large")),
    "a pipeline": (MANY, 30 * get("/large")),
    # To make so many responses takes a second: their clients are fewer.
    "small answers in a pipeline": (20, 90 * get("/openapi.json")),
    "a stream without end": (MANY, get("/endless")),
    "a stream, then a WebSocket": (MANY, get("/endless") + upgrade("/socket")),
    "a last answer": (MANY, get("/large", "Connection: close")),
}


@pytest.mark.parametrize("asked", ASKED)
async def test_answers_that_nobody_reads(attacked: Attacked, asked: str) -> None:
    """All slots are taken until the server closes. The probe is answered."""
    server = attacked(WRITE_TIMEOUT=WRITE_TIMEOUT, KEEP_ALIVE=WRITE_TIMEOUT)
    count, sent = ASKED[asked]
    async with watched(server, ("/livez",)) as worker, crowd(server.port, count, buffer=SMALLEST) as clients:
        await send_one_after_another(clients, sent)
        await until(lambda: worker.closed(0), "for the server to close all", WRITE_TIMEOUT + MARGIN)


async def send_one_after_another(clients: list[Client], sent: bytes) -> None:
    """Not all at once: the kernel takes 2 MB of each answer, and to copy them all takes a second."""
    for client in clients:
        await client.send(sent)
        await asyncio.sleep(0.006)


async def test_an_idle_connection_with_an_unread_answer(attacked: Attacked) -> None:
    """The end of keep-alive does not wait for the client to read."""
    server = attacked(WRITE_TIMEOUT=WRITE_TIMEOUT, KEEP_ALIVE=1)
    async with watched(server) as worker, crowd(server.port, 50, buffer=SMALLEST) as clients:
        await send_one_after_another(clients, get("/large"))
        await until(lambda: worker.closed(0), "for the server to close all", WRITE_TIMEOUT + MARGIN)


@pytest.mark.parametrize("path", ["/large", "/openapi.json"])
async def test_a_slow_reader(attacked: Attacked, path: str) -> None:
    """Its answer takes more than twice WRITE_TIMEOUT, and each second some of it is read."""
    server = attacked(WRITE_TIMEOUT=2, KEEP_ALIVE=2)
    async with watched(server), crowd(server.port, 1, buffer=1 << 16) as [client]:
        count = 1 if path == "/large" else 90
        await client.send(count * get(path))
        began = time.monotonic()
        answers: list[Answer] = []
        while len(answers) < count and not client.ended:
            await asyncio.sleep(0.4)
            answers = await read_some(client, count)
        assert [answer.status for answer in answers] == [200] * count
        if path == "/large":
            assert len(answers[0].body) == 8 << 20
            assert time.monotonic() - began > 2 * 2, "It was not slow."


async def read_some(client: Client, count: int) -> list[Answer]:
    some = len(client.received) + (1 << 19)
    while len(client.received) < some and len(found := parsed(client.received)) < count:
        if not await client.read():
            break
    return found


PARTS = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "a part of a line": b"GET /liv",
    "a part of a head": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: ",
    "a head and a part of another": get("/livez") + b"GET /livez HT",
    "a part of a body": request("POST /echo HTTP/1.1", "Content-Length: 10") + b"hello",
    "a part of a chunk": request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked") + b"a\r\nhello",
    "chunks without an end": request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked") + chunk(b"hello"),
    "a part of trailers": request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked") + b"0\r\na: b\r\n",
    "100 Continue without a body": request(
        "POST /echo HTTP/1.1", "Content-Length: 10", "Expect: 100-continue"
    ),
    "a body that nobody wants": request("POST /v1/unknown HTTP/1.1", "Content-Length: 1000") + b"hello",
    "a body above the limit": request("POST /echo HTTP/1.1", "Content-Length: 99999999") + b"hello",
}


async def test_parts_of_requests(attacked: Attacked) -> None:
    """Each ends within HEAD_TIMEOUT or DEADLINE, and KEEP_ALIVE; twenty clients for each part."""
    server = attacked(HEAD_TIMEOUT=2, DEADLINE=2, KEEP_ALIVE=2)
    async with watched(server), crowd(server.port, 20 * len(PARTS)) as clients:
        for place, client in enumerate(clients):
            await client.send(list(PARTS.values())[place % len(PARTS)])
        ends = await asyncio.gather(*(ended(client) for client in clients))
        still_open = {list(PARTS)[place % len(PARTS)] for place, end in enumerate(ends) if not end}
        assert not still_open, f"open after {2 + 2 + MARGIN} s: {still_open}"


async def ended(client: Client) -> bool:
    try:
        await client.read_to_end(2 + 2 + MARGIN)
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("sent", [b"\r\n", b"G", b"A: b\r\n"], ids=["empty lines", "a letter", "a header"])
async def test_a_request_that_takes_for_ever(attacked: Attacked, sent: bytes) -> None:
    """A byte now and then does not keep a connection open."""
    server = attacked(HEAD_TIMEOUT=2)
    async with watched(server), crowd(server.port, 30) as clients:
        start = b"GET / HTTP/1.1\r\n" if sent.startswith(b"A") else b""
        for client in clients:
            await client.send(start)
        ends = asyncio.gather(*(ended(client) for client in clients))
        while not ends.done():
            for client in clients:
                await client.send(sent)
            await asyncio.sleep(0.3)
        assert all(await ends)
