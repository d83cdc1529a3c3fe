"""What HTTP/2 clients do that no browser does: each costs the server a bounded amount of memory and time."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server import http2
from tests.server.conftest import Certificates, Serve
from tests.server.http2 import Client, fields, frame, head, request, reset, setting, window

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

QUICK = {
    "APP_SERVER__HTTP2": "true",
    "APP_SERVER__WORKERS": "1",
    "APP_SERVER__DRAIN": "0.2",
    "APP_SERVER__LAME_DUCK": "0.2",
    "APP_SERVER__GRACEFUL_SHUTDOWN": "3",
    "APP_SERVER__DEADLINE": "2",
    "APP_DATABASE__STATEMENT_TIMEOUT": "1",
    "APP_SERVER__HEAD_TIMEOUT": "2",
    "APP_SERVER__KEEP_ALIVE": "3",
    "APP_SERVER__WRITE_TIMEOUT": "2",
}
PING = frame(http2.PING, payload=b"12345678")


@pytest.fixture
def server(serve: Serve) -> Any:
    return serve(QUICK)


def memory(server: Any) -> float:
    """Return the MB of the only worker."""
    (worker,) = server.workers
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096 / 1e6


def troubles(server: Any) -> list[str]:
    """Return the lines of the log that no client may cause. A handler may say that a body was cut."""
    bad = [line for line in server.lines if "Traceback" in line or "xception" in line or '"error"' in line]
    return [line for line in bad if not line.endswith('starlette.requests.ClientDisconnect"}')]


@asynccontextmanager
async def grows_by_less_than(server: Any, megabytes: float, within: float = 1) -> AsyncIterator[None]:
    """Watch the worker's memory, and how many seconds others wait for an answer meanwhile."""
    before = memory(server)
    most, slowest = before, 0.0

    async def watch() -> None:
        nonlocal most, slowest
        while True:
            started = time.monotonic()
            while (status := await asyncio.to_thread(server.status, "/scope")) == 503:
                await asyncio.sleep(0.05)
            assert status == 200
            most, slowest = max(most, memory(server)), max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    yield
    assert not watching.done() or watching.exception() is None
    watching.cancel()
    assert most - before < megabytes
    assert slowest < within


async def test_large_heads_are_rejected_alone(server: Any) -> None:
    many = [(b"name-%d" % each, b"value") for each in range(101)]
    large = [(b"name-%d" % each, b"v" * 3000) for each in range(11)]

    async with Client.connected(server.port) as client:
        client.send(request(1, head("/slow?seconds=1")))
        for stream, more in ((3, many), (5, large)):
            assert await client.status(stream, head(more=more)) == 431
            assert b'"type":"/problems/request-header-fields-too-large"' in client.body(stream)
            assert b"application/problem+json" in (await client.until(http2.HEADERS, stream)).payload
        assert await client.status(7, head(more=many[:99])) == 200
        assert await client.status(1) == 200


async def test_http1_has_the_limits_of_http1(server: Any) -> None:
    many = "".join(f"name-{each}: value\r\n" for each in range(101))

    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n".encode())

    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    writer.close()


PSEUDO = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/livez"), (b":authority", b"x")]
INVALID = {
    "a path that is not ASCII": head("/\xe9"),
    "a path that is none": head("livez"),
    "no path": fields([PSEUDO[0], PSEUDO[1], PSEUDO[3]]),
    "two paths": fields([*PSEUDO, PSEUDO[2]]),
    "no host": fields(PSEUDO[:3]),
    "an empty host": fields([*PSEUDO[:3], (b":authority", b"")]),
    "two hosts": head(more=[(b"host", b"other")]),
    "a line break in a value": head(more=[(b"name", b"value\r\nhost: other")]),
    "a header of HTTP/1.1": head(more=[(b"transfer-encoding", b"chunked")]),
}


async def test_invalid_requests_end_alone(server: Any) -> None:
    async with Client.connected(server.port) as client:
        client.send(request(1, head("/slow?seconds=1")))
        for stream, block in enumerate(INVALID.values(), 1):
            client.send(request(2 * stream + 1, block))
            assert (await client.until(http2.RST_STREAM, 2 * stream + 1)).code == http2.PROTOCOL_ERROR
        assert await client.status(1) == 200
    assert troubles(server) == []


async def test_bodies_and_trailers(server: Any) -> None:
    """No client waits for the end of a body that its head has ended. Trailers are no headers."""
    post = head("/echo", method=b"POST")
    async with Client.connected(server.port) as client:
        assert await client.status(1, post) == 200
        assert client.body(1) == b"0"
        trailers = frame(
            http2.HEADERS, 3, fields([(b"x-forwarded-for", b"6.6.6.6")]), http2.END_STREAM | http2.END_HEADERS
        )
        client.send(request(3, post, body=True), frame(http2.DATA, 3, b"12345"), trailers)
        assert await client.status(3) == 200
        assert client.body(3) == b"5"


async def test_a_large_response_arrives_whole(serve: Serve, certificates: Certificates) -> None:
    server = serve(QUICK | certificates.settings)
    certificates.context.set_alpn_protocols(["h2"])
    async with Client.connected(server.port, context=certificates.context) as client:
        for stream in (1, 3, 5):
            client.send(request(stream, head("/large?size=1000000")))
        for stream in (1, 3, 5):
            assert await client.status(stream) == 200
            assert client.bodies[stream] == 1_000_000
        server.signal(signal.SIGTERM)
        await client.until(http2.GOAWAY)
    assert await asyncio.to_thread(server.wait, 5) == 0


async def test_a_restart_ends_streams_in_order(server: Any) -> None:
    """What runs is finished, and what comes later can be sent again elsewhere: it is refused."""
    async with Client.connected(server.port) as client:
        client.send(request(1, head("/slow?seconds=1.8")))
        server.signal(signal.SIGTERM)
        assert (await client.until(http2.GOAWAY)).code == http2.NO_ERROR
        client.send(request(3, head()))
        assert (await client.until(http2.RST_STREAM, 3)).code == http2.REFUSED_STREAM
        assert await client.status(1) == 200
        await client.closed()


async def test_further_streams_are_refused(server: Any) -> None:
    async with Client.connected(server.port) as client:
        client.send(*(request(2 * each + 1, head("/slow?seconds=1")) for each in range(110)))
        for each in range(100, 110):
            assert (await client.until(http2.RST_STREAM, 2 * each + 1)).code == http2.REFUSED_STREAM
        for each in range(100):
            assert await client.status(2 * each + 1) == 200
        assert await client.status(2 * 111 + 1, head()) == 200
        offered = client.frames[0].payload
        assert http2.MAX_CONCURRENT_STREAMS.to_bytes(2) + http2.number(100) in offered


async def test_requests_that_are_reset_still_count(server: Any) -> None:
    """Their handlers run on. The connection that starts them again and again is closed."""
    async with Client.connected(server.port) as client:
        for each in range(1000):
            client.send(request(2 * each + 1, head("/slow?seconds=1.5")), reset(2 * each + 1))
        await client.closed()
        assert await asyncio.to_thread(server.status, "/scope") == 200
    await asyncio.sleep(2)
    assert server.log.count("slow: ended") <= 100
    assert troubles(server) == []


async def test_many_resets_end_a_connection_in_order(server: Any) -> None:
    """The parser would break the connection, with all that runs on it, at the 257th."""
    async with Client.connected(server.port) as client:
        client.send(request(1, head("/slow?seconds=1.8")))
        for each in range(1, 300):
            client.send(request(2 * each + 1, head()), reset(2 * each + 1))
            await asyncio.sleep(0.003)
            if any(each.kind == http2.GOAWAY for each in client.frames):
                break
        assert (await client.until(http2.GOAWAY)).code == http2.NO_ERROR
        assert await client.status(1) == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/large?size=60000"])
async def test_clients_with_closed_windows(server: Any, path: str) -> None:
    closed = setting(http2.INITIAL_WINDOW_SIZE, 0)
    async with AsyncExitStack() as stack, grows_by_less_than(server, 100, within=3):
        clients = [
            await stack.enter_async_context(Client.connected(server.port, polite=False, first=closed))
            for _ in range(40)
        ]
        for client in clients:
            client.send(*(request(2 * each + 1, head(path)) for each in range(100)))
        for client in clients:
            assert (await client.until(http2.RST_STREAM, 1)).code == http2.CANCEL
    assert troubles(server) == []


async def test_a_stream_that_stalls_ends_alone(server: Any) -> None:
    async with Client.connected(server.port, polite=False) as client:
        client.send(window(0, 10_000_000), request(1, head("/large?size=100000")))
        client.send(request(3, head("/large?size=100000")), window(3, 1_000_000))
        assert await client.status(3) == 200
        assert (await client.until(http2.RST_STREAM, 1)).code == http2.CANCEL
        assert client.bodies[1] == 65535
        assert await client.status(5, head()) == 200


async def test_a_connection_that_stalls_ends(server: Any) -> None:
    """A few bytes of its window now and then are progress."""
    started = time.monotonic()
    async with Client.connected(server.port, polite=False) as client:
        client.send(request(1, head("/large?size=100000")), window(1, 1_000_000))
        for _ in range(6):
            await asyncio.sleep(0.5)
            client.send(window(0, 100))
        assert (await client.until(http2.GOAWAY)).code == http2.ENHANCE_YOUR_CALM
        await client.closed()
    assert 4.5 < time.monotonic() - started < 8


IDLE = {
    "nothing": (b"", b"", 2),
    "PINGs": (b"", PING, 2),
    "SETTINGS": (b"", frame(http2.SETTINGS), 2),
    "PINGs after a response": (request(1, head()), PING, 3),
    "windows after a response": (request(1, head()), window(0, 1), 3),
    "a head that never ends": (request(1, head("/endless")) + frame(http2.HEADERS, 3, head()), b"", 2),
    "a frame that never ends": (request(1, head("/endless")) + frame(http2.HEADERS, 3, head())[:20], b"x", 2),
}


@pytest.mark.parametrize("sent", IDLE)
async def test_connections_without_requests_end(server: Any, sent: str) -> None:
    first, again, expected = IDLE[sent]
    started = time.monotonic()
    async with Client.connected(server.port, polite=False) as client:
        client.send(first)
        while not client.read_all and time.monotonic() - started < 10:
            await asyncio.sleep(0.3)
            client.send(again)
    assert expected - 0.1 < time.monotonic() - started < expected + 2


async def test_a_beginning_of_the_preface_ends(server: Any) -> None:
    started = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for byte in http2.PREFACE[:8]:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.2)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert time.monotonic() - started < 3


async def test_bodies_that_drip_end_alone(server: Any) -> None:
    post = {"announced": [(b"content-length", b"1000")], "not announced": []}
    async with Client.connected(server.port) as client:
        for stream, more in zip((1, 3), post.values(), strict=True):
            client.send(request(stream, head("/echo", method=b"POST", more=more), body=True))
        for _ in range(25):
            client.send(frame(http2.DATA, 1, b"x"), frame(http2.DATA, 3, b"x"))
            await asyncio.sleep(0.1)
        assert [await client.status(1), await client.status(3)] == [408, 504]
        for stream in (1, 3):
            assert (await client.until(http2.RST_STREAM, stream)).code == http2.NO_ERROR
        assert await client.status(5, head()) == 200


async def test_bodies_that_nobody_reads(server: Any) -> None:
    """No request starts while a client takes no response. The bodies of those that wait do not pile up."""
    closed, streams = setting(http2.INITIAL_WINDOW_SIZE, 0), range(5, 200, 2)
    async with AsyncExitStack() as stack, grows_by_less_than(server, 60, within=2):
        clients = [
            await stack.enter_async_context(Client.connected(server.port, polite=False, first=closed))
            for _ in range(30)
        ]
        for client in clients:
            client.send(*(request(stream, head("/large?size=60000")) for stream in (1, 3)))
        await asyncio.sleep(0.3)
        for client in clients:
            client.send(*(request(stream, head("/echo", method=b"POST"), body=True) for stream in streams))
            client.send(*(frame(http2.DATA, stream, bytes(16384)) for stream in streams))
        await asyncio.sleep(2)
    assert troubles(server) == []


FLOODS = {
    "PINGs": (b"", PING),
    "SETTINGS": (b"", frame(http2.SETTINGS)),
    "windows": (b"", window(0, 1)),
    "empty DATA": (request(1, head("/echo", method=b"POST"), body=True), frame(http2.DATA, 1)),
    "priorities": (b"", frame(http2.PRIORITY, 1, bytes(5))),
    "frames of no kind": (b"", frame(0x77, 0, b"x")),
}


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "does not read"])
@pytest.mark.parametrize("kind", FLOODS)
async def test_floods_of_small_frames(
    serve: Serve, certificates: Certificates, kind: str, *, reads: bool
) -> None:
    first, again = FLOODS[kind]
    server = serve(QUICK | certificates.settings)
    certificates.context.set_alpn_protocols(["h2"])
    async with (
        grows_by_less_than(server, 20),
        Client.connected(server.port, context=certificates.context, polite=False) as client,
    ):
        if not reads:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(first)
        await flooded(client, again * (65536 // len(again)))
    assert troubles(server) == []


async def flooded(client: Client, data: bytes, within: float = 4) -> None:
    """Send until the server has closed the connection, or reads no more."""
    async with asyncio.timeout(within):
        while not client.read_all and not client.writer.transport.is_closing():
            client.send(data)
            client.frames.clear()
            try:
                await asyncio.wait_for(client.writer.drain(), 1)
            except (OSError, TimeoutError):
                return


CONTINUED = {
    "empty": frame(http2.CONTINUATION, 1),
    "small": frame(http2.CONTINUATION, 1, fields([(b"name", b"value")])),
    "large": frame(http2.CONTINUATION, 1, fields([(b"name", b"v" * 16000)])),
}


@pytest.mark.parametrize("size", CONTINUED)
async def test_heads_of_many_frames(server: Any, size: str) -> None:
    async with grows_by_less_than(server, 10), Client.connected(server.port) as client:
        client.send(frame(http2.HEADERS, 1, head()), *[CONTINUED[size]] * 100)
        assert (await client.until(http2.GOAWAY)).code == http2.ENHANCE_YOUR_CALM
        await client.closed()


async def test_large_heads_by_reference(server: Any) -> None:
    """One byte repeats a large field of an earlier head, so 100 requests of 60 bytes have heads of 3 MB."""
    stored = fields([(b"name", b"v" * 3900)], first=b"@")
    repeated = head("/slow?seconds=1.5") + b"\xbe" * 8
    async with AsyncExitStack() as stack, grows_by_less_than(server, 60):
        clients = [await stack.enter_async_context(Client.connected(server.port)) for _ in range(30)]
        for client in clients:
            client.send(request(1, head() + stored))
            client.send(*(request(2 * each + 3, repeated) for each in range(90)))
        for client in clients:
            assert (await client.until(http2.RST_STREAM, 91)).code == http2.REFUSED_STREAM
    assert troubles(server) == []


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
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(PING * 50_000)


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
