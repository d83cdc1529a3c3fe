"""Whatever an HTTP/2 client sends, the worker serves others and ends in order."""

import asyncio
import random
import signal
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.server import http2
from tests.server.conftest import Serve
from tests.server.hostile import QUICK, grows_by_less_than, troubles
from tests.server.http2 import PING_FRAME, Client, fields, frame, head, request, reset, setting, window

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


@pytest.fixture
def server(serve: Serve) -> Any:
    return serve(QUICK)


async def test_anything(server: Any) -> None:
    """Whatever a client sends, the log has no traceback, and others are answered."""
    chosen = random.Random(7541)  # noqa: S311 - The same each time.
    async with grows_by_less_than(server, 40):
        for _ in range(30):
            await asyncio.gather(*(anything(server.port, chosen) for _ in range(20)))
    assert troubles(server) == []
    assert len(server.workers) == 1


async def anything(port: int, chosen: random.Random) -> None:
    first = chosen.choice(
        [frame(http2.SETTINGS), setting(http2.INITIAL_WINDOW_SIZE, chosen.choice([0, 1, 100]))]
    )
    async with Client.connected(port, polite=chosen.random() < 0.5, first=first) as client:
        for each in range(chosen.randrange(40)):
            client.send(one_of_many(2 * each + 1, chosen))
            if chosen.random() < 0.2:
                await asyncio.sleep(chosen.choice([0, 0.02]))
        await asyncio.sleep(chosen.choice([0, 0.05]))


def one_of_many(stream: int, chosen: random.Random) -> bytes:
    kind = chosen.choice([valid] * 8 + [mutated, any_frame, reset_or_window])
    return kind(stream, chosen)


HOSTS = [b"localhost"] * 5 + [b"a\xff", b"[", b"x@y", b"]:-1", b"a b", b"x:99999999", b""]
PATHS = [
    b"/livez",
    b"/echo",
    b"/scope",
    b"/openapi.json",
    b"/%ff%00%zz",
    b"/%2e%2e/%0d%0a",
    b"//x//",
    b"/?%ff=\xff",
    b"*",
]
VALUES = [
    b"",
    b"x",
    b"\xff\xfe",
    b"application/json",
    b"-1",
    b"5",
    b"*",
    b"bytes=0-1,-9",
    b"1.2.3.4, ::1, x",
    b"a" * 5000,
]
NAMES = [
    b"content-length",
    b"content-type",
    b"expect",
    b"range",
    b"te",
    b"cookie",
    b"x-forwarded-for",
    b"traceparent",
    b":x",
]


def valid(stream: int, chosen: random.Random) -> bytes:
    """Make a request that is valid in most parts."""
    pseudo = [
        (b":method", chosen.choice([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT"])),
        (b":scheme", chosen.choice([b"http", b"https", b"ftp"])),
        (b":path", chosen.choice(PATHS)),
        (b":authority", chosen.choice(HOSTS)),
    ]
    more = [(chosen.choice(NAMES), chosen.choice(VALUES)) for _ in range(chosen.randrange(3))]
    block = fields([*pseudo, *more], first=chosen.choice([b"\0", b"@", b"\x10"]))
    body = frame(
        http2.DATA, stream, chosen.choice([b"", b"{", b"\xff" * 100]), chosen.choice([0, http2.END_STREAM])
    )
    sent = request(stream, block, body=True) + body if chosen.random() < 0.4 else request(stream, block)
    return sent + (reset(stream) if chosen.random() < 0.1 else b"")


def mutated(stream: int, chosen: random.Random) -> bytes:
    changed = bytearray(request(stream, head()))
    for _ in range(3):
        changed[chosen.randrange(len(changed))] = chosen.randrange(256)
    return bytes(changed)


def any_frame(stream: int, chosen: random.Random) -> bytes:
    payload = chosen.randbytes(chosen.randrange(30))
    return frame(chosen.randrange(12), chosen.choice([0, stream, stream + 5]), payload, chosen.randrange(256))


def reset_or_window(stream: int, chosen: random.Random) -> bytes:
    return chosen.choice(
        [reset(max(1, stream - 2)), window(stream, 1), window(0, 65535), setting(1, 0), setting(4, 65535)]
    )


def silent(_: Client) -> None:
    pass


def unfinished_head(client: Client) -> None:
    client.send(frame(http2.HEADERS, 1, head()))


def unfinished_body(client: Client) -> None:
    client.send(request(1, head("/echo", method=b"POST"), body=True), frame(http2.DATA, 1, b"x"))


def closed_windows(client: Client) -> None:
    client.send(setting(http2.INITIAL_WINDOW_SIZE, 0))
    client.send(*(request(2 * each + 1, head("/large?size=100000")) for each in range(90)))


def endless_stream(client: Client) -> None:
    client.send(request(1, head("/endless")))


def running_after_reset(client: Client) -> None:
    client.send(*(request(2 * each + 1, head("/slow?seconds=2")) + reset(2 * each + 1) for each in range(90)))


def unread_pings(client: Client) -> None:
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # Of any socket.
    client.send(PING_FRAME * 50_000)


STATES = [
    silent,
    unfinished_head,
    unfinished_body,
    closed_windows,
    endless_stream,
    running_after_reset,
    unread_pings,
]


async def test_no_connection_stops_a_shutdown(server: Any) -> None:
    async with AsyncExitStack() as stack:
        for state in STATES:
            state(await stack.enter_async_context(Client.connected(server.port, polite=False)))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.wait, 10) == 0
        assert time.monotonic() - started < 5
    assert server.log.count("lifespan: closed") == 1
