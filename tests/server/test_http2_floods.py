"""HTTP/2 clients that send much, or take nothing: what they cost is bounded, and others are answered."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.server import http2
from tests.server.conftest import Certificates, Serve
from tests.server.hostile import QUICK, grows_by_less_than, troubles
from tests.server.http2 import PING_FRAME, Client, fields, frame, head, request, setting, window

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


@pytest.fixture
def server(serve: Serve) -> Any:
    return serve(QUICK)


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
    "PINGs": (b"", PING_FRAME),
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
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # Of any socket.
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
    async with AsyncExitStack() as stack, grows_by_less_than(server, 60, within=3):
        clients = [await stack.enter_async_context(Client.connected(server.port)) for _ in range(30)]
        for client in clients:
            client.send(request(1, head() + stored))
            client.send(*(request(2 * each + 3, repeated) for each in range(90)))
        for client in clients:
            assert (await client.until(http2.RST_STREAM, 91)).code == http2.REFUSED_STREAM
    assert troubles(server) == []
