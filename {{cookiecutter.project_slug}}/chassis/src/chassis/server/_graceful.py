"""uvicorn's server with a graceful shutdown in three phases: drain, lame duck, uvicorn's own shutdown.

Private API: `GracefulServer` overrides `startup` and `capture_signals` of `Server`, reads `lifespan.state`, closes
    `servers`, sets `should_exit`, changes `config.encoded_headers` and `server_state.default_headers`, and reads
    `connections`, `tasks` and `total_requests` of `server_state`.
Why: uvicorn has no hook before its shutdown, and when that begins, it closes the listeners at once.
Checked by: tests/server/test_library_api.py (names) and tests/server/test_graceful.py (behaviour).

chassis/docs/operations.md shows the phases and their durations.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import override

from uvicorn.config import Config
from uvicorn.server import Server

from chassis.drain import Drain
from chassis.server._settings import ServerSettings

log = logging.getLogger("chassis.server")

HEARTBEAT = 1.0  # Seconds. The setting `timeout` is at least three times as long.
RETIRE = signal.SIGUSR2  # Sent by our master when another worker has replaced this one.


class GracefulServer(Server):
    def __init__(self, config: Config, settings: ServerSettings, beat: Callable[[int], None]) -> None:
        super().__init__(config)
        self.settings = settings
        self.beat = beat
        self.master = os.getppid()
        self.drain = Drain()
        self.servers = []  # uvicorn sets it in `startup`, and a signal can come earlier.
        self.aborted = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.shutdown_task: asyncio.Task[None] | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        drain = self.lifespan.state.get("drain")
        self.drain = drain if isinstance(drain, Drain) else self.drain
        # Not uvicorn's `callback_notify`: it is not called during the shutdown, and gunicorn would kill the worker.
        self.tasks.append(asyncio.create_task(self._send_heartbeats()))

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again at the end, and the worker would die of it instead of exiting with 0.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(RETIRE, self.retire)
        loop.add_signal_handler(signal.SIGQUIT, self.abort)
        # Ctrl-C in a terminal signals this process and the master. The master signals its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        yield

    def stop(self) -> None:
        """The service stops: `/readyz` returns 503 from now on, and requests are served during the drain."""
        self.drain.begin(stopping=True)
        self._begin_shutdown(self.settings.drain)

    def retire(self) -> None:
        """Another worker has replaced this one. The service stays ready, so there is nothing to wait for."""
        self.drain.begin(stopping=False)
        self._begin_shutdown(0)

    def abort(self) -> None:
        """Cancel the active requests and skip the phases before the shutdown. The lifespan still ends normally."""
        self.stop()
        self.aborted.set()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for task in self.server_state.tasks:
            task.cancel()

    def _begin_shutdown(self, drain: float) -> None:
        if self.shutdown_task is None:
            log.info("shutting down: drain %g s, lame duck %g s", drain, self.settings.lame_duck)
            self.shutdown_task = asyncio.create_task(self._drain_and_exit(drain))

    async def _drain_and_exit(self, drain: float) -> None:
        await self._sleep(drain)
        for server in self.servers:
            server.close()
        # A client on an open connection gets `Connection: close` with its response, and not a connection reset.
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        await self._sleep(self.settings.lame_duck)
        self.should_exit = True  # uvicorn's own shutdown begins.

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.aborted.wait(), seconds)

    async def _send_heartbeats(self) -> None:
        while True:
            self.beat(self.server_state.total_requests)
            if os.getppid() != self.master:
                log.error("the master process has ended")
                self.retire()
            await asyncio.sleep(HEARTBEAT)
