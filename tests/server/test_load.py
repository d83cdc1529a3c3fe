"""Not one lost request: while workers are replaced, certificates change, instances come and go."""

import asyncio
import re
import signal
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.server.conftest import Certificates, Serve
from tests.server.load import Load, until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

ENOUGH = 5_000  # Requests; two to four of a thousand failed with unmodified gunicorn and uvicorn.


def booted(server: Any) -> list[int]:
    return [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", server.log)]


def gone(server: Any, pids: list[int]) -> bool:
    return not set(pids) & set(server.workers)


async def reload(server: Any) -> None:
    old = booted(server)
    server.signal(signal.SIGHUP)
    await until(lambda: gone(server, old), "for the old workers to stop")
    assert len(booted(server)) == len(old) + 2


async def upgrade(server: Any) -> None:
    old = booted(server)
    server.signal(signal.SIGUSR2)
    await until(lambda: server.log.count("startup complete") == len(old) + 2, "for the new master's workers")
    server.signal(signal.SIGTERM)
    await until(lambda: gone(server, old) and server.process.poll() == 0, "for the old master to stop")
    assert not gone(server, booted(server)[2:])


async def recycle(server: Any) -> None:
    await until(lambda: len(booted(server)) >= 6, "for four replacements", 60)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "new connections"])
@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("change", [reload, upgrade, recycle])
async def test_replacing_workers(
    serve: Serve,
    certificates: Certificates,
    change: Callable[[Any], Awaitable[None]],
    *,
    secured: bool,
    keep_alive: bool,
) -> None:
    environment = {"APP_SERVER__MAX_REQUESTS": "1000"} if change is recycle else {}
    server = serve(environment | (certificates.settings if secured else {}))
    context = certificates.context if secured else None
    async with Load(server.port, keep_alive=keep_alive, context=context).running() as load:
        await load.reach(200)
        await change(server)
        await load.reach(ENOUGH)
    assert not load.failures, server.log


async def test_the_only_worker_is_replaced(serve: Serve) -> None:
    """With a slow request in progress, another worker must accept connections."""
    server = serve({"APP_SERVER__WORKERS": "1", "APP_SERVER__MAX_REQUESTS": "2000"})
    async with (
        Load(server.port, path="/slow?seconds=8", clients=1).running() as slow,
        Load(server.port, keep_alive=False, clients=4).running() as load,
    ):
        await load.reach(ENOUGH)
        await slow.reach(1)
    assert not load.failures + slow.failures, server.log
    assert len(booted(server)) >= 3


async def test_a_broken_reload_changes_nothing(serve: Serve, certificates: Certificates) -> None:
    server = serve(certificates.settings)
    async with Load(server.port, context=certificates.context).running() as load:
        await load.reach(200)
        certificates.keyfile.write_text("no key")
        server.signal(signal.SIGHUP)
        await until(lambda: "reload rejected" in server.log, "for the rejection")
        await load.reach(ENOUGH)
    assert not load.failures
    assert server.log.count("reload rejected") == 1
    assert len(booted(server)) == 2


async def served(port: int, context: ssl.SSLContext) -> str:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    subject = str(writer.get_extra_info("peercert")["subject"])
    writer.close()
    await writer.wait_closed()
    return subject


async def test_certificates_rotate_under_load(serve: Serve, certificates: Certificates) -> None:
    server = serve(certificates.settings)
    async with Load(server.port, keep_alive=False, context=certificates.context).running() as load:
        await load.reach(200)
        certificates.issue("second", half_written=True)
        await until(lambda: server.log.count("new certificate rejected") == 2, "for two workers to reject it")
        certificates.issue("second")
        await until(lambda: server.log.count("new certificate in use") == 2, "for two workers to take it", 5)
        assert "second" in await served(server.port, certificates.context)
        certificates.copy_another_key()
        await until(lambda: server.log.count("new certificate rejected") == 4, "for two workers to reject it")
        assert "second" in await served(server.port, certificates.context)
        await load.reach(2_000)
    assert not load.failures
    assert len(booted(server)) == 2
