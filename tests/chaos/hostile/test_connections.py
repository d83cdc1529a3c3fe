"""More connections than a worker may have."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.chaos.hostile.client import crowd, get, status
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.watch import Worker, watched
from tests.server.conftest import Certificates
from tests.server.load import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

MOST = 50


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTT", get("/livez")], ids=["nothing", "a part", "all"])
async def test_clients_that_wait_keep_nobody_out(attacked: Attacked, sent: bytes) -> None:
    """A connection above the limit takes the place of the ones that have waited longest for their clients."""
    server = attacked(MAX_CONNECTIONS=MOST, MAX_CONCURRENCY=20)
    async with watched(server) as worker, crowd(server.port, MOST) as clients:
        for client in clients:
            await client.send(sent)
        async with crowd(server.port, MOST):
            await until(lambda: worker.closed(MOST), "for others to be closed", 2)
            assert await status(server.port, "/v1/orders") == 200


async def test_clients_that_are_served_keep_their_place(attacked: Attacked) -> None:
    """A further connection is refused at once."""
    server = attacked(MAX_CONNECTIONS=MOST)
    async with crowd(server.port, MOST) as clients:
        for client in clients:
            await client.send(get("/slow?seconds=2"))
        await asyncio.sleep(0.5)
        for _ in range(20):
            await check_refused(server.port)
        for client in clients:
            assert [answer.status for answer in await client.answers(1)] == [200]
    await until(lambda: server.status("/livez") == 200, "for a place", 1)
    assert "Traceback" not in server.log


async def check_refused(port: int) -> None:
    async with crowd(port, 1) as [client]:
        await client.send(get("/livez"))
        answer = await client.read_to_end(1)
        assert not answer or answer.startswith(b"HTTP/1.1 503 "), answer


async def test_a_flood_of_connections(attacked: Attacked) -> None:
    """Ten times the limit, twice: those above it do not stay, and do not stop the server from accepting."""
    server = attacked(MAX_CONNECTIONS=MOST)
    worker = Worker(server)
    for _ in range(2):
        async with crowd(server.port, 10 * MOST):
            await until(lambda: worker.closed(MOST), "for the others to be closed", 2)
        await until(lambda: server.status("/livez") == 200, "for a place", 2)
    assert "Traceback" not in server.log


async def test_connections_in_their_tls_handshake(attacked: Attacked, certificates: Certificates) -> None:
    """They count, and HEAD_TIMEOUT ends them."""
    server = attacked(certificates.settings, MAX_CONNECTIONS=MOST, HEAD_TIMEOUT=2)
    worker = Worker(server)
    began = time.monotonic()
    async with crowd(server.port, MOST) as clients:
        for client in clients[::2]:
            await client.send(b"\x16\x03\x01\x02\x00\x01")  # A part of a ClientHello.
        assert await asyncio.to_thread(server.status, "/livez") == 200
        await until(lambda: worker.closed(0), "for the silent clients to be closed", 2 + 1.5)
        assert time.monotonic() - began > 1.5, "They had no time."
        assert await asyncio.to_thread(server.status, "/livez") == 200
    assert "Traceback" not in server.log
