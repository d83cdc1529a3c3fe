import asyncio
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import uvloop

from chassis.server._descriptors import ACCEPTS, descriptors
from tests.server.conftest import Serve


async def turns(listeners: list[socket.socket], clients: int) -> list[int]:
    """Return the turn of the loop in which each of the waiting clients is accepted."""
    loop = asyncio.get_running_loop()
    turn, accepted = 0, list[int]()
    everybody = asyncio.Event()

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()
            accepted.append(turn)
            if len(accepted) == clients:
                everybody.set()

    def tick() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(tick)

    tick()
    servers = [await loop.create_server(Server, sock=listener) for listener in listeners]
    await everybody.wait()
    for server in servers:
        server.close()
    return accepted


@pytest.mark.parametrize(("clients", "number"), [(ACCEPTS, 1), (3 * ACCEPTS, 3)])
def test_a_turn_of_the_loop_accepts_several(clients: int, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        accepted = uvloop.run(turns(descriptors(listener, 20), clients))
    assert len(set(accepted)) == number


def test_libuv_accepts_one_for_each_descriptor() -> None:
    """If this fails, libuv has changed, and `descriptors` may no longer be needed."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        accepted = uvloop.run(turns([listener], 3))
    assert len(set(accepted)) == 3


def descriptors_of(process: psutil.Process, target: Path) -> int:
    found = 0
    for each in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # Closed meanwhile.
            found += each.readlink() == target
    return found


def statuses(process: psutil.Process) -> set[str]:
    return {each.status for each in process.net_connections("tcp")}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_listens_on_all_of_them_until_it_shuts_down(serve: Serve) -> None:
    """An open descriptor would still accept connections, which nobody serves."""
    server = serve({"APP_SERVER__DRAIN": "0"})
    worker = psutil.Process(server.workers[0])
    [number] = [each.fd for each in worker.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    listener = Path(f"/proc/{worker.pid}/fd/{number}").readlink()
    assert descriptors_of(worker, listener) == ACCEPTS
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(server.status, "/slow?seconds=2")
        server.wait_until(lambda: psutil.CONN_ESTABLISHED in statuses(worker), "to have an active request")
        server.signal(signal.SIGTERM)
        server.wait_until(lambda: slow.done() or not descriptors_of(worker, listener), "to listen no more")
        assert not slow.done()
        assert slow.result() == 200
    assert server.wait() == 0
