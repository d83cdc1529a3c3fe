"""uvicorn's server with an orderly end: drain, last second, graceful shutdown. chassis/docs/operations.md draws it."""

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

HEARTBEAT = 1.0  # Seconds; `timeout` is at least three of them.
RETIRE = signal.SIGUSR2  # From our master: another worker has taken this one's place.


class GracefulServer(Server):
    def __init__(self, config: Config, settings: ServerSettings, beat: Callable[[int], None]) -> None:
        super().__init__(config)
        self.settings = settings
        self.beat = beat
        self.master = os.getppid()
        self.drain = Drain()
        self.servers = []  # Stock has none before the start is complete, and a signal may come earlier.
        self.aborted = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.shutdown_task: asyncio.Task[None] | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        drain = self.lifespan.state.get("drain")
        self.drain = drain if isinstance(drain, Drain) else self.drain
        # A task of its own: uvicorn's callback falls silent during shutdown, and gunicorn would kill the worker.
        self.tasks.append(asyncio.create_task(self._send_heartbeats()))

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Stock sets the signal free again in the end, and the worker dies of it instead of exiting with 0.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(RETIRE, self.retire)
        loop.add_signal_handler(signal.SIGQUIT, self.abort)
        # A terminal's Ctrl-C reaches this process as well as the master, who passes it on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        yield

    def stop(self) -> None:
        """The service stops: `/readyz` says so at once, and requests are served for the drain time."""
        self.drain.begin(stopping=True)
        self._begin_shutdown(self.settings.drain)

    def retire(self) -> None:
        """Another worker serves in this one's place: no need to wait, and the service stays ready."""
        self.drain.begin(stopping=False)
        self._begin_shutdown(0)

    def abort(self) -> None:
        """Cancel what is at work. The lifespan still ends in order."""
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
        # Clients that speak in the last second learn that their connection closes, instead of finding it closed.
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        await self._sleep(self.settings.lame_duck)
        self.should_exit = True  # From here on uvicorn's own shutdown.

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
