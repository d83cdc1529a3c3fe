"""What a client that means harm costs a server, and what the log says of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

QUICK = {
    "APP_SERVER__HTTP2": "true",
    "APP_SERVER__WORKERS": "1",
    "APP_SERVER__DRAIN": "0.2",
    "APP_SERVER__LAME_DUCK": "0.2",
    "APP_SERVER__GRACEFUL_SHUTDOWN": "3",
    "APP_SERVER__DEADLINE": "2",
    "APP_DATABASE__STATEMENT_TIMEOUT": "1",
    "APP_SERVER__HEAD_TIMEOUT": "2",
    "APP_SERVER__KEEP_ALIVE": "3",
    "APP_SERVER__WRITE_TIMEOUT": "2",
}


def memory(server: Any) -> float:
    """Return the MB of the only worker."""
    (worker,) = server.workers
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096 / 1e6


def troubles(server: Any) -> list[str]:
    """Return the lines of the log that no client may cause. A handler may say that a body was cut."""
    bad = [line for line in server.lines if "Traceback" in line or "xception" in line or '"error"' in line]
    return [line for line in bad if not line.endswith('starlette.requests.ClientDisconnect"}')]


@asynccontextmanager
async def grows_by_less_than(server: Any, megabytes: float, within: float = 1) -> AsyncIterator[None]:
    """Watch the worker's memory, and how many seconds others wait for an answer meanwhile."""
    before = memory(server)
    most, slowest = before, 0.0
    over = asyncio.Event()

    async def watch() -> None:
        nonlocal most, slowest
        while not over.is_set():
            started = time.monotonic()
            status = 503
            while status == 503:  # Others may be rejected for a moment.
                status = await asyncio.to_thread(server.status, "/scope")
            assert status == 200
            most, slowest = max(most, memory(server)), max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        over.set()
        await watching
    assert most - before < megabytes
    assert slowest < within
