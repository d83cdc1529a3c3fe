"""What goes wrong: processes that die, loops that block, workers that cannot start, clients that stay."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Serve
from tests.server.load import Load, until
from tests.server.test_load import booted, gone

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

QUICK = {
    "APP_SERVER__GRACEFUL_SHUTDOWN": "2",
    "APP_SERVER__TIMEOUT": "4",
    "APP_SERVER__DEADLINE": "1.5",
    "APP_DATABASE__STATEMENT_TIMEOUT": "1",
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
async def test_every_signal_drains(serve: Serve, number: signal.Signals) -> None:
    """An open stream that never looks at the drain is cut in the end; the lifespan still ends in order."""
    server = serve(QUICK)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"tick")
    server.signal(number)
    await until(lambda: "shutting down: drain" in server.log, "for the drain")
    assert await asyncio.to_thread(server.status, "/readyz") == 503
    assert await asyncio.to_thread(server.status, "/livez") == 200
    assert await asyncio.to_thread(server.wait, 12) == 0
    writer.close()
    assert server.log.count("lifespan: closed") == 2


async def test_a_killed_worker_is_replaced(serve: Serve) -> None:
    server = serve()
    async with Load(server.port, clients=4).running() as load:
        await load.reach(200)
        victim = booted(server)[0]
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(booted(server)) == 3, "for the replacement", 5)
        answered = load.answered
        await load.reach(answered + 500)
    assert sum(load.failures.values()) <= 4, "Only the requests of the killed worker may fail."


async def test_without_the_master_nobody_stays(serve: Serve) -> None:
    server = serve(QUICK)
    workers = booted(server)
    server.signal(signal.SIGKILL)
    await until(lambda: gone(server, workers), "for the workers to stop", 4)
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_a_blocked_loop_is_named_and_replaced(serve: Serve) -> None:
    server = serve(QUICK | {"APP_SERVER__WORKERS": "1"})
    blocked = asyncio.create_task(asyncio.to_thread(server.status, "/blocking"))
    await until(lambda: len(booted(server)) == 2, "for the replacement", 12)
    await blocked
    assert "WORKER TIMEOUT" in server.log
    assert "tests/server/app.py" in server.log
    assert " in blocking" in server.log
    await until(lambda: server.status("/livez") == 200, "for an answer")


async def test_a_database_that_is_down_stops_nothing(serve: Serve) -> None:
    server = serve(own=True)
    assert await asyncio.to_thread(server.status, "/readyz") == 503
    os.kill(booted(server)[0], signal.SIGKILL)
    async with Load(server.port, clients=2).running() as load:
        await until(lambda: len(booted(server)) == 3, "for the replacement", 5)
        await load.reach(200)
    assert sum(load.failures.values()) <= 2
    assert server.process.poll() is None


async def test_a_unix_socket(process: Serve, tmp_path: Path) -> None:
    path = tmp_path / "service.sock"
    server = process({"APP_SERVER__BIND": f"unix:{path}", "APP_SERVER__TRUSTED_PROXIES": "unix"}).start()
    try:
        await until(lambda: "startup complete" in server.log, "for the server")
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(
            b"GET /scope HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
        )
        assert b'"client":"6.6.6.6"' in await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()
    finally:
        server.close()


READ_ONLY = ("unshare", "--mount", "sh", "-c", 'mount -o remount,ro,bind / / && exec "$@"', "sh")
# It may read, wherever this machine has put its Python, and nothing else.
READ = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *READ)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take everything away")
async def test_any_user_and_a_read_only_file_system(process: Serve) -> None:
    server = process({"HOME": "/nowhere"})
    server.command = [*READ_ONLY, *NOBODY, *server.command]
    with server:
        assert await asyncio.to_thread(server.status, "/livez") == 200
        assert "gunicorn.ctl" not in server.log
        assert "control socket" not in server.log
        server.signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.wait) == 0


class Balancer:
    """One port in front of some servers; a new connection goes to the next that is ready."""

    def __init__(self, servers: list[Any]) -> None:
        self.servers = servers
        self.ready: list[int] = []
        self.turn = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        probing = asyncio.create_task(self._probe())
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with listener:
            await until(lambda: len(self.ready) == len(self.servers), "for readiness")
            yield listener.sockets[0].getsockname()[1]
        probing.cancel()

    async def _probe(self) -> None:
        while True:
            statuses = [await asyncio.to_thread(server.status, "/readyz") for server in self.servers]
            self.ready = [
                server.port for server, status in zip(self.servers, statuses, strict=True) if status == 200
            ]
            await asyncio.sleep(0.2)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.turn += 1
        upstream = await asyncio.open_connection("127.0.0.1", self.ready[self.turn % len(self.ready)])
        await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "new connections"])
async def test_a_rolling_restart(serve: Serve, *, keep_alive: bool) -> None:
    balancer = Balancer([serve({"APP_SERVER__WORKERS": "1"}) for _ in range(2)])
    async with balancer.running() as port, Load(port, clients=4, keep_alive=keep_alive).running() as load:
        for place in range(2):
            await load.reach(load.answered + 500)
            old = balancer.servers[place]
            old.signal(signal.SIGTERM)
            assert await asyncio.to_thread(old.wait, 15) == 0
            balancer.servers[place] = await asyncio.to_thread(serve, {"APP_SERVER__WORKERS": "1"})
            started = time.monotonic()
            await until(lambda: len(balancer.ready) == 2, "for readiness")
            assert time.monotonic() - started < 5
        await load.reach(load.answered + 500)
    assert not load.failures
