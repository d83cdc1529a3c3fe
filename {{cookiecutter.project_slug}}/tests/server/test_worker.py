import asyncio
import socket
from contextlib import ExitStack

import pytest
import uvloop

from app.server.worker import ACCEPTS, descriptors


async def turns(listeners: list[socket.socket], clients: int) -> list[int]:
    """Say in which turn of the loop each of the clients, who have all come already, is accepted."""
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
        accepted = uvloop.run(turns(descriptors(listener), clients))
    assert len(set(accepted)) == number


def test_libuv_accepts_one_for_each_descriptor() -> None:
    """If this fails, libuv has changed: `descriptors` may be of no use any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        accepted = uvloop.run(turns([listener], 3))
    assert len(set(accepted)) == 3
