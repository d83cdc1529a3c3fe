"""Requests to change the protocol, most of them malformed. Each is answered or closed soon."""

import asyncio
import contextlib
from itertools import batched

import pytest

from tests.chaos.hostile.client import crowd, get, request
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.frames import upgrade
from tests.chaos.hostile.watch import watched
from tests.server.load import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

SOON = 5.0
EACH = 10  # More than the descriptors that a server may have opened for other reasons.
CHUNKED = "Transfer-Encoding: chunked"

UPGRADES = {
    "a body": upgrade("/socket", "Content-Length: 5") + b"hello",
    "a body that does not come": upgrade("/socket", "Content-Length: 5"),
    "an empty body": upgrade("/socket", "Content-Length: 0"),
    "a chunked body": upgrade("/socket", CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n",
    "a chunked body that does not come": upgrade("/socket", CHUNKED),
    "a large header": upgrade("/socket", "X-Large: " + "x" * 9_000),
    "many headers": upgrade("/socket", *(f"X-{number}: x" for number in range(120))),
    "POST": upgrade("/socket", method="POST"),
    "HEAD": upgrade("/socket", method="HEAD"),
    "HTTP 1.0": upgrade("/socket", http="1.0"),
    "a short key": upgrade("/socket", key="c2hvcnQ="),
    "a key that is not base64": upgrade("/socket", key="???"),
    "an empty key": upgrade("/socket", key=""),
    "two keys": upgrade("/socket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    "no key": request("GET /socket HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"),
    "an unknown version": upgrade("/socket", version="99"),
    "two Host headers": upgrade("/socket", "Host: other"),
    "bad extensions": upgrade("/socket", "Sec-WebSocket-Extensions: permessage-deflate; ,;=\x7f"),
    "bad subprotocols": upgrade("/socket", "Sec-WebSocket-Protocol: ,,\xff,"),
    "an absolute target": upgrade("http://localhost:1/socket"),
    "a target with a fragment": upgrade("/socket#fragment"),
    "a target that is not ASCII": upgrade("/socket\xff"),
    "an escaped target": upgrade("/socket%00%ff"),
    "an unknown path": upgrade("/unknown"),
    "a path of HTTP": upgrade("/v1/orders"),
    "a rejected WebSocket": upgrade("/refused"),
    "frames before the answer": upgrade("/refused") + b"\x81\x85" * 2_000,
    "frames without a mask": upgrade("/socket") + b"\x81\x05hello",
    "reserved bits": upgrade("/socket") + b"\xf1\x80\0\0\0\0",
    "an unknown opcode": upgrade("/socket") + b"\x8f\x80\0\0\0\0",
    "h2c": request(
        "GET / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"
    ),
    "h2c with a body": request("POST / HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c", "Content-Length: 5"),
    "HTTP 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": request("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: TLS/1.2"),
    "CONNECT": b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n",
    "CONNECT with data": b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n"
    + b"SSH-2.0\r\n" * 1_000,
}
EARLIER = {
    "nothing before": b"",
    "an active request before": get("/slow?seconds=1"),
    "a queue before": 5 * get("/slow?seconds=0.2"),
}


@pytest.mark.parametrize("earlier", EARLIER)
async def test_upgrades(attacked: Attacked, earlier: str) -> None:
    server = attacked(HEAD_TIMEOUT=3, DEADLINE=3)
    failed = []
    async with watched(server):
        for names in batched(UPGRADES, 12, strict=False):
            checks = [
                check(server.port, EARLIER[earlier] + UPGRADES[name]) for name in names for _ in range(EACH)
            ]
            closed = await asyncio.gather(*checks)
            failed += [name for place, name in enumerate(names) if not all(closed[EACH * place :][:EACH])]
    assert not failed, f"neither answered nor closed in {SOON:g} s: {failed}"


async def check(port: int, upgrading: bytes) -> bool:
    """Return whether each request has an answer, or the server has closed."""
    expected = 1 + upgrading.count(b"GET /slow")
    async with crowd(port, 1) as [client]:
        await client.send(upgrading)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                while client.received.count(b"HTTP/1.1 ") < expected and await client.read():
                    pass
                return True
    return False


@pytest.mark.parametrize("name", ["a body that does not come", "POST", "CONNECT", "a rejected WebSocket"])
async def test_many_at_once(attacked: Attacked, name: str) -> None:
    """The server may open 300 files. Clients that stay and read nothing do not take them from others."""
    server = attacked(prefix=("prlimit", "--nofile=300:300"), MAX_CONCURRENCY=100)
    async with watched(server, ("/livez",)) as worker, crowd(server.port, 300) as clients:
        for client in clients:
            await client.send(UPGRADES[name])
        await until(lambda: worker.closed(0), "for the server to close all", SOON)
