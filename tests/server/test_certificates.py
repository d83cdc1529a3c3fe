"""A worker that dies while the certificate files are wrong is replaced, with the last valid certificate."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.server.conftest import Certificates, Serve
from tests.server.load import until
from tests.server.test_load import booted, served

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

type Change = Callable[[Certificates], None]


def another_key(certificates: Certificates) -> None:
    certificates.copy_another_key()


def half_written(certificates: Certificates) -> None:
    certificates.issue("wrong", half_written=True)


def expired(certificates: Certificates) -> None:
    certificates.issue("wrong", seconds=-60)


def missing(certificates: Certificates) -> None:
    certificates.certfile.unlink()


@pytest.mark.parametrize(
    ("workers", "break_files"),
    [(2, another_key), (2, half_written), (2, expired), (1, another_key), (1, missing)],
)
async def test_a_replacement_has_the_last_valid_certificate(
    serve: Serve, certificates: Certificates, workers: int, break_files: Change
) -> None:
    server = serve(certificates.settings | {"APP_SERVER__WORKERS": str(workers)})
    certificates.issue("second")
    await until(lambda: server.log.count("new certificate in use") == workers, "for the rotation", 5)
    await asyncio.sleep(2)  # The master polls too, at other moments, and logs nothing.
    break_files(certificates)
    await until(lambda: server.log.count("new certificate rejected") == workers, "for the rejection", 5)
    logged, killed = len(server.log), time.monotonic()
    os.kill(booted(server)[0], signal.SIGKILL)

    await until(lambda: server.log.count("startup complete") == workers + 1, "for the replacement", 5)
    assert time.monotonic() - killed < 4
    for _ in range(10):
        assert "second" in await served(server.port, certificates.context)
    await asyncio.sleep(6)
    assert server.log.count("Booting worker") == workers + 1
    assert server.log.count("new certificate rejected") == workers + 1
    assert len(server.log) - logged < 2_000
    assert "Traceback" not in server.log

    certificates.issue("third")
    await until(lambda: server.log.count("new certificate in use") == 2 * workers, "for the rotation", 5)
    for _ in range(10):
        assert "third" in await served(server.port, certificates.context)


async def test_a_replacement_has_the_certificate_that_expired_in_use(
    serve: Serve, process: Serve, certificates: Certificates
) -> None:
    """A load balancer may not check the dates. A restart says what is wrong."""
    certificates.issue("first", seconds=6)
    server = serve(certificates.settings | {"APP_SERVER__WORKERS": "1"})
    await asyncio.sleep(6)
    os.kill(booted(server)[0], signal.SIGKILL)
    await until(lambda: server.log.count("startup complete") == 2, "for the replacement", 5)
    assert await asyncio.to_thread(server.status, "/livez") == 200
    assert "Traceback" not in server.log

    restarted = process(certificates.settings).start()
    assert await asyncio.to_thread(restarted.wait, 20) == 78
    restarted.close()
    assert restarted.lines[-1].endswith(f"CERTFILE: {certificates.certfile} has expired")
