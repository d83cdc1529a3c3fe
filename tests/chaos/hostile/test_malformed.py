"""Requests that are wrong, and requests that their client takes back, in large numbers."""

import asyncio
import itertools

import pytest

from tests.chaos.hostile.client import crowd, get, parsed, post, request
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.watch import watched

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

HEADS = [
    b"GET\r\n\r\n",
    b"GET /livez\r\n\r\n",
    b"G\0T /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /li\0vez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez HTTP/1.1 x\r\nHost: x\r\n\r\n",
    b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /livez FTP/1.1\r\nHost: x\r\n\r\n",
    b"GET livez HTTP/1.1\r\nHost: x\r\n\r\n",
    request("get /livez HTTP/1.1"),
    request("UNKNOWN /livez HTTP/1.1"),
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    request("GET /livez HTTP/1.1", "No colon"),
    request("GET /livez HTTP/1.1", ": no name"),
    request("GET /livez HTTP/1.1", "Space : before the colon"),
    request("GET /livez HTTP/1.1", "A: b\r\n folded"),
    request("GET /livez HTTP/1.1", "A: \0"),
    request("GET /livez HTTP/1.1", "A: b\rc: d"),
    request("GET /livez HTTP/1.1", "\xff: b"),
    request("GET /livez HTTP/1.1", "Content-Length: -1"),
    request("GET /livez HTTP/1.1", "Content-Length: +1"),
    request("GET /livez HTTP/1.1", "Content-Length: 0x1"),
    request("GET /livez HTTP/1.1", "Content-Length: 1, 1"),
    request("GET /livez HTTP/1.1", "Content-Length: 1", "Content-Length: 2"),
    request("GET /livez HTTP/1.1", "Content-Length: 99999999999999999999999"),
    request("GET /livez HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"),
    request("GET /livez HTTP/1.1", "Transfer-Encoding: chunked, identity"),
    request("GET /livez HTTP/1.1", "Transfer-Encoding: xchunked"),
    request("GET /livez HTTP/1.1", "Transfer-Encoding: \x0bchunked"),
    request("GET /" + "x" * 40_000 + " HTTP/1.1"),
    request("GET /livez HTTP/1.1", "A: " + "b" * 40_000),
    request("GET /livez HTTP/1.1", *["A: b"] * 101),
]
FOLLOWED_BY = (b"", get("/livez"), b"0\r\n\r\n" + get("/livez"), bytes(1_000))


async def test_malformed_heads(attacked: Attacked) -> None:
    """Each gets one response, an error, and what follows it is not read as a request."""
    server = attacked(HEAD_TIMEOUT=2)
    heads = [head + more for head, more in itertools.product(HEADS, FOLLOWED_BY)]
    assert len(heads) == 128
    async with watched(server):
        received = await asyncio.gather(*(received_for(server.port, head) for head in heads))
    accepted = {
        head[:60]: statuses
        for head, data in zip(heads, received, strict=True)
        if len(statuses := [answer.status for answer in parsed(data)]) > 1 or statuses == [200]
    }
    assert not accepted


async def received_for(port: int, sent: bytes) -> bytes:
    async with crowd(port, 1) as [client]:
        await client.send(sent)
        return await client.read_to_end(4)


ABORTED = [
    get("/v1/orders"),
    get("/livez")[:-10],
    post("/echo", b"x" * 100)[:-50],
    post("/v1/orders", b"{" + b" " * 1_000)[:-500],
    get("/slow?seconds=0.05"),
    get("/openapi.json"),
    request("POST /echo HTTP/1.1", "Expect: 100-continue", "Content-Length: 9"),
    request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked") + b"5\r\nhe",
    b"",
    3 * get("/v1/orders"),
]


async def test_ten_thousand_aborted_requests(attacked: Attacked) -> None:
    server = attacked()
    async with watched(server):
        await asyncio.gather(*(abort(server.port, 500, reset=bool(place % 2)) for place in range(20)))


async def abort(port: int, times: int, *, reset: bool) -> None:
    for number in range(times):
        async with crowd(port, 1, reset=reset) as [client]:
            await client.send(ABORTED[number % len(ABORTED)])
            await asyncio.sleep(0.002 * (number % 4))
