"""More connections than a worker may have."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.chaos.hostile.client import crowd, get
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.watch import Worker
from tests.server.conftest import Certificates
from tests.server.load import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

MOST = 50


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def test_the_first_connection_above_the_limit(attacked: Attacked) -> None:
    """It is refused at once, and the others are served as before."""
    server = attacked(MAX_CONNECTIONS=MOST)
    async with crowd(server.port, MOST) as clients:
        assert await clients[0].ask(get("/v1/orders")) == 200
        assert await clients[-1].ask(get("/v1/orders")) == 200
        for _ in range(20):
            await check_refused(server.port)
        assert await clients[1].ask(get("/v1/orders")) == 200
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
        async with crowd(server.port, 1) as [further]:
            assert not await further.read_to_end(1), "The handshake was answered."
        await until(lambda: worker.closed(0), "for the silent clients to be closed", 2 + 1.5)
        assert time.monotonic() - began > 1.5, "They had no time."
        assert await asyncio.to_thread(server.status, "/livez") == 200
    assert "Traceback" not in server.log
