"""SIGTERM while there is a connection in every state: the worker ends in order, and in time."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.hostile.client import Client, crowd, get, request
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.frames import upgrade
from tests.server.conftest import Certificates
from tests.server.load import Load, until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

QUICK = {
    "DRAIN": 1,
    "LAME_DUCK": 0.5,
    "GRACEFUL_SHUTDOWN": 3,
    "DEADLINE": 2.5,
    "TIMEOUT": 4,
}
LONGEST = 1 + 0.5 + 3
MARGIN = 1.5  # Seconds: to end the lifespan, the worker and the master.
ACTIVE = get("/slow?seconds=2")
STATES = {
    "silent": b"",
    "a part of a head": b"GET /livez HTTP/1.1\r\nHost: x\r\nA:",
    "a part of a body": request("POST /echo HTTP/1.1", "Content-Length: 10") + b"hello",
    "a part of trailers": request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked") + b"0\r\na: b\r\n",
    "a queue": 5 * get("/slow?seconds=0.3"),
    "a long queue": 90 * get("/slow?seconds=0.3"),
    "an unread answer": get("/large"),
    "unread answers": 20 * get("/large"),
    "a paused stream": get("/endless"),
    "idle": get("/livez"),
    "closing": get("/large", "Connection: close"),
    "rejected": b"\0\r\n\r\n",
    "a WebSocket": upgrade("/socket"),
    "a WebSocket that is not read": upgrade("/deaf"),
    "a WebSocket in its handshake": upgrade("/undecided"),
    "a part of a handshake": upgrade("/socket")[:-2],
    "a refused WebSocket": upgrade("/refused"),
    "a closing WebSocket": upgrade("/brief"),
    "a WebSocket after an unread answer": get("/large") + upgrade("/socket"),
}


async def stopped(server: Any) -> str:
    """Send SIGTERM, and return the log if the server ends in order."""
    server.signal(signal.SIGTERM)
    began = time.monotonic()
    code = await asyncio.to_thread(server.wait, 30)
    seconds = time.monotonic() - began
    log: str = server.log
    assert code == 0, log[-3_000:]
    assert seconds < LONGEST + MARGIN, f"{seconds:.1f} s"
    assert "Application shutdown complete" in log
    for wrong in ("Traceback", "Worker exited with code", "WORKER TIMEOUT", "SIGKILL"):
        assert wrong not in log, log[log.index(wrong) :][:3_000]
    return log


async def open_all(clients: list[Client], states: dict[str, bytes]) -> None:
    for client, sent in zip(clients, states.values(), strict=True):
        await client.send(sent)
    await asyncio.sleep(0.5)


async def test_a_connection_in_every_state(attacked: Attacked) -> None:
    server = attacked(**QUICK)
    async with (
        crowd(server.port, len(STATES), buffer=4096) as clients,
        crowd(server.port, 2) as [active, half_closed],
    ):
        await open_all(clients, STATES)
        await active.send(ACTIVE)
        await half_closed.send(ACTIVE)
        half_closed.end_writing()
        stopping = asyncio.create_task(stopped(server))
        statuses = [answer.status for client in (active, half_closed) for answer in await client.answers(1)]
        await stopping
        assert statuses == [200, 200]


@pytest.mark.parametrize("state", ["a paused stream", "a WebSocket in its handshake"])
async def test_many_connections_in_one_state(attacked: Attacked, state: str) -> None:
    server = attacked(**QUICK)
    states = {str(number): STATES[state] for number in range(50)}
    async with crowd(server.port, len(states), buffer=4096) as clients:
        await open_all(clients, states)
        await stopped(server)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def test_connections_in_their_tls_handshake(attacked: Attacked, certificates: Certificates) -> None:
    server = attacked(certificates.settings, **QUICK)
    others = Load(server.port, path="/slow?seconds=0.3", clients=2, context=certificates.context)
    async with crowd(server.port, 20) as clients, others.running() as load:
        for client in clients[::2]:
            await client.send(b"\x16\x03\x01\x02\x00\x01")  # A part of a ClientHello.
        await until(lambda: load.answered, "for an answer")
        stopping = asyncio.create_task(stopped(server))
        await asyncio.sleep(QUICK["DRAIN"])
        load.stopping.set()
        await stopping
    assert not load.failures
