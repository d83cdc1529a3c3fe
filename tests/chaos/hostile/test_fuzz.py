"""Valid requests that are cut, spliced, repeated and changed, in packets of any size.

Each case follows from its number: run `case(number)` again to see what a failed one has sent.
"""

import asyncio
import itertools
import random
import time
from typing import Any

import pytest

from tests.chaos.hostile.client import chunk, crowd, get, parsed, post, request
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.frames import CLOSE, PING, TEXT, frame, upgrade
from tests.chaos.hostile.watch import watched

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

FIXED = 300  # Cases, always the same.
SECONDS = 10.0  # Of others, each time.
AT_ONCE = 100
LIMITS = {"HEAD_TIMEOUT": 1, "DEADLINE": 1.5, "KEEP_ALIVE": 1, "WRITE_TIMEOUT": 2}
LONGEST = 1 + 1.5 + 1 + 2 + 1.5
CHUNKED = request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: A")
VALID = [
    get("/livez"),
    get("/v1/orders?limit=2", "Connection: close"),
    request("HEAD /v1/orders HTTP/1.1"),
    request("OPTIONS * HTTP/1.1"),
    request("GET http://localhost/livez HTTP/1.1", "Accept: */*", "Cookie: a=b; c=d"),
    post("/echo", b"hello"),
    post("/v1/orders", b'{"reference": "fuzz", "amount": "1.00", "currency": "EUR"}', "X-Request-ID: a"),
    CHUNKED + chunk(b"hello") + chunk(b"x" * 300) + b"0\r\nA: b\r\n\r\n",
    CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n",
    request("POST /echo HTTP/1.1", "Expect: 100-continue", "Content-Length: 5") + b"hello",
    request("GET /livez HTTP/1.0", "Connection: keep-alive"),
    upgrade("/socket") + frame(TEXT, b"hello") + frame(PING, b"x") + frame(CLOSE, b"\x03\xe8"),
    upgrade("/refused"),
    request("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c"),
    b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
]
TOKENS = [
    *(bytes([value]) for value in b"\r\n\0 \t:;,\x80\xff"),
    *(b"\r\n", b"%00", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"HTTP/1.0", b"/" * 3_000),
    *(b"Host: a\r\n", b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\n", b"A: " + b"b" * 9_000),
    *(b"Connection: close\r\n", b"Connection: upgrade\r\n"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
]


def case(number: int | str) -> list[bytes]:
    """Return the packets of one connection."""
    chance = random.Random(number)  # noqa: S311 - The same each time.
    data = b"".join(changed(chance, chance.choice(VALID)) for _ in range(chance.randint(1, 4)))
    packets: list[bytes] = []
    while data and len(packets) < 20:
        size = chance.choice([1, 2, 7, 50, 1_000, len(data)])
        packets.append(data[:size])
        data = data[size:]
    return packets


def changed(chance: random.Random, data: bytes) -> bytes:
    for _ in range(chance.choice([0, 0, 1, 1, 2, 5])):
        start, end = sorted(chance.randint(0, len(data)) for _ in range(2))
        data = chance.choice(
            [
                data[:start],
                data[:start] + data[end:],
                data[:end] + data[start:],
                data[:start] + chance.choice(TOKENS) + data[start:],
                data[:start] + chance.choice(VALID)[start:],
                data[:start] + chance.randbytes(1) + data[start + 1 :],
                data[:start] + chance.randbytes(chance.randint(0, 50)) + data[end:],
                data[:start] + data[start:end] * chance.choice([2, 3, 100]) + data[end:],
            ]
        )[:60_000]
    return data


async def test_fuzz(attacked: Attacked) -> None:
    server = attacked(**LIMITS)
    fixed, chosen = iter(range(FIXED)), time.time_ns()
    problems: list[str] = []
    async with watched(server) as worker:
        ends = time.monotonic() + SECONDS

        async def send_cases(place: int) -> None:
            others = (f"{chosen}-{place}-{count}" for count in itertools.count())
            numbers: itertools.chain[int | str] = itertools.chain(fixed, others)
            for number in numbers:
                if problems or not worker.unharmed or (isinstance(number, str) and time.monotonic() > ends):
                    return
                problems.extend(await problems_of(server, number))

        await asyncio.gather(*(send_cases(place) for place in range(AT_ONCE)))
        assert not problems, problems[:3]


async def problems_of(server: Any, number: int | str) -> list[str]:
    """The server closes in time, unless the connection is a WebSocket."""
    logged = server.log.count("Traceback")
    async with crowd(server.port, 1) as [client]:
        for packet in case(number):
            await client.send(packet)
            await asyncio.sleep(0)
        try:
            await client.read_to_end(LONGEST)
        except TimeoutError:
            if all(answer.status != 101 for answer in parsed(client.received)):
                return [f"case {number!r} is open after {LONGEST} s"]
    traceback = server.log.count("Traceback") > logged
    return [f"a traceback in case {number!r}, or in one beside it"] if traceback else []
