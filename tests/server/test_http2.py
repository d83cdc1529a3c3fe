"""HTTP/2 under the limits of the settings: what a client may not do ends alone, and the rest goes on."""

import asyncio
import contextlib
import signal
import time
from typing import Any

import pytest

from tests.server import http2
from tests.server.conftest import Certificates, Serve
from tests.server.hostile import QUICK, troubles
from tests.server.http2 import PING_FRAME, Client, fields, frame, head, request, reset, window

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


@pytest.fixture
def server(serve: Serve) -> Any:
    return serve(QUICK)


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
    """No client waits for the end of a body that its head has ended. Trailers do not become headers."""
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
    assert 4.5 < time.monotonic() - started < 9


IDLE = {
    "nothing": (b"", b"", 2),
    "PINGs": (b"", PING_FRAME, 2),
    "SETTINGS": (b"", frame(http2.SETTINGS), 2),
    "PINGs after a response": (request(1, head()), PING_FRAME, 3),
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


async def test_silent_connections_keep_nobody_out(serve: Serve) -> None:
    """Without TLS, a connection has no protocol before its first bytes. It counts all the same."""
    server = serve(QUICK | {"APP_SERVER__MAX_CONNECTIONS": "10"})
    with contextlib.ExitStack() as stack:
        silent = []
        for _ in range(15):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            stack.callback(writer.close)
            silent.append(asyncio.create_task(reader.read()))
        assert await asyncio.to_thread(server.status, "/livez") == 200
        closed, _ = await asyncio.wait(silent, timeout=1)
        assert len(closed) >= 5
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)
