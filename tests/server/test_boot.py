"""Workers that cannot start: at the first start, as replacements and after a reload."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Serve
from tests.server.load import Load, until
from tests.server.test_load import booted, gone, reload

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]


async def test_one_worker_that_cannot_start_stops_no_other(serve: Serve, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    server = serve({"BROKEN_WHEN_EXISTS": str(broken)})
    async with Load(server.port, clients=2).running() as load:
        await load.reach(50)
        broken.touch()
        os.kill(booted(server)[0], signal.SIGKILL)
        await until(lambda: "The other workers continue" in server.log, "for the failure", 10)
        failed = load.failures.copy()
        await load.reach(load.answered + 1_000)
        broken.unlink()
        await until(lambda: server.log.count("startup complete") == 3, "for the next attempt", 10)
    assert load.failures == failed
    assert server.process.poll() is None


@pytest.mark.parametrize("how", ["kill 9", "exit 1", "raise"])
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_worker_that_ends_at_boot_is_awaited(
    serve: Serve, tmp_path: Path, how: str, workers: int
) -> None:
    broken = tmp_path / "broken"
    server = serve({"BROKEN_WHEN_EXISTS": str(broken), "APP_SERVER__WORKERS": str(workers)})
    broken.write_text(how)
    os.kill(booted(server)[0], signal.SIGKILL)
    await until(lambda: "next attempt in 2 s" in server.log, "for the failure", 10)
    await asyncio.sleep(5)
    assert 2 <= server.log.count("Booting worker") - workers <= 4
    state = "The other workers continue" if workers == 2 else "No worker serves"
    assert server.log.count(f"Worker failed to boot. {state}; next attempt in 2 s.") >= 2
    broken.unlink()
    await until(lambda: server.log.count("startup complete") == workers + 1, "for the next attempt", 10)


@pytest.mark.parametrize("how", ["exit 1", "raise"])
async def test_a_service_that_cannot_start_ends(process: Serve, tmp_path: Path, how: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text(how)
    server = process({"BROKEN_WHEN_EXISTS": str(broken)}).start()
    try:
        assert await asyncio.to_thread(server.wait, 30) == 3
        assert "Worker failed to boot" in server.log
    finally:
        server.close()


async def test_workers_killed_at_the_first_start_are_awaited(process: Serve, tmp_path: Path) -> None:
    """The kernel can kill them while memory is short. The orchestrator decides how long it waits."""
    broken = tmp_path / "broken"
    broken.write_text("kill 9")
    server = process({"BROKEN_WHEN_EXISTS": str(broken)}).start()
    try:
        await until(lambda: "No worker serves; next attempt" in server.log, "for the failure", 10)
        await asyncio.sleep(5)
        assert 4 <= server.log.count("Booting worker") <= 10
        broken.unlink()
        await until(lambda: server.log.count("startup complete") >= 2, "for the next attempt", 10)
    finally:
        server.close()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_reload_whose_workers_cannot_start_stops_no_other(
    serve: Serve, tmp_path: Path, workers: int
) -> None:
    broken = tmp_path / "broken"
    server = serve({"BROKEN_WHEN_EXISTS": str(broken), "APP_SERVER__WORKERS": str(workers)})
    old = booted(server)
    async with Load(server.port, clients=2, keep_alive=False).running() as load:
        broken.touch()
        server.signal(signal.SIGHUP)
        await until(lambda: server.log.count("Worker failed to boot") >= 2, "for two failures", 20)
        assert set(old) <= set(server.workers)
        broken.unlink()
        await until(lambda: gone(server, old), "for the old workers to stop", 20)
        await load.reach(load.answered + 200)
    assert not load.failures


async def test_files_that_change_after_the_check_of_a_reload(
    serve: Serve, slow_application: dict[str, Any], tmp_path: Path
) -> None:
    """The check runs in another process, and takes a second."""
    changed, configuration = tmp_path / "changed", tmp_path / "gunicorn.conf.py"
    configuration.write_text(
        f"import pathlib, sys\n\n"
        f"if pathlib.Path({str(changed)!r}).exists() and '--check-config' not in sys.argv:\n"
        f"    sys.exit(78)\n" + (slow_application["root"] / "gunicorn.conf.py").read_text()
    )
    command = ("gunicorn", f"--config={configuration}", slow_application["app"])
    server = serve(command=command)
    await until(lambda: server.log.count("startup complete") == 2, "for the workers")
    changed.touch()
    server.signal(signal.SIGHUP)
    await until(lambda: "a file has changed since the check" in server.log, "for the rejection", 20)
    changed.unlink()
    await reload(server)
