"""uvicorn-worker's class for gunicorn, with our TLS, limits and graceful shutdown.

Private API: `Worker` overrides `init_signals` and `_serve` of `UvicornWorker`, sets its `CONFIG_KWARGS`, and reads its
    `config`, `max_requests`, `notify`, `sockets`, `tmp` and `wsgi`, and `WORKER_BOOT_ERROR` of gunicorn's `Arbiter`.
Why: uvicorn-worker creates uvicorn's `Config` and `Server` itself, and has no settings for them.
Checked by: tests/server/test_library_api.py (names, because it has no types), tests/server/test_worker.py and
    tests/server/test_tls.py (behaviour).
"""

import asyncio
import faulthandler
import logging
import os
import sys
from typing import Any, override

from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from chassis import tls
from chassis.connections import uvicorn_options
from chassis.server._descriptors import descriptors
from chassis.server._graceful import GracefulServer
from chassis.server._settings import ServerSettings
from chassis.server._stage import Stage


class Worker(UvicornWorker):  # type: ignore[misc]  # It ships no types.
    settings: ServerSettings
    """Set on the class by gunicorn.conf.py: gunicorn passes a worker only its own configuration."""
    rotation: tls.Rotation | None = None
    """As `settings`. The master polls it, so that a new worker starts with the last valid certificate."""

    obsolete = False
    """The master replaces this worker: it retires when another one serves."""
    retired = False
    """The master has told this worker to retire."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.CONFIG_KWARGS = self._uvicorn_options()
        super().__init__(*args, **kwargs)
        # UvicornWorker gives this logger gunicorn's handlers. All our lines go through the root logger.
        error_log = logging.getLogger("uvicorn.error")
        error_log.handlers, error_log.propagate = [], True

    def _uvicorn_options(self) -> dict[str, Any]:
        settings = self.settings
        return uvicorn_options(settings, self.rotation.serving if self.rotation else None) | {
            "lifespan": "on",
            "ws_max_size": settings.max_body_size,
            "access_log": False,
            "server_header": False,
            "proxy_headers": bool(settings.trusted_proxies),
            "forwarded_allow_ips": [str(proxy) for proxy in settings.trusted_proxies],
            "timeout_graceful_shutdown": settings.graceful_shutdown,
            "limit_max_requests": None,  # uvicorn would close its listeners. Our master starts another worker first.
            "callback_notify": None,
            # uvicorn must not listen with TLS: the protocol makes the handshake.
            "ssl_certfile": None,
            "ssl_keyfile": None,
        }

    @override
    def init_signals(self) -> None:
        super().init_signals()
        # gunicorn aborts a worker whose event loop is blocked. This prints the traceback.
        faulthandler.enable()

    @override
    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = GracefulServer(self.config, self.settings, self.beat)
        if self.rotation:
            server.tasks.append(asyncio.create_task(self.rotation.run()))
        # Plain sockets: uvloop and gunicorn's wrapper would both close the descriptor, and by then it can be another's.
        listeners = [descriptors(listener.sock, self.settings.write_timeout) for listener in self.sockets]
        await server.serve(sockets=[each for listener in listeners for each in listener])
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def beat(self, requests: int) -> None:
        reached = requests >= self.max_requests
        os.ftruncate(self.tmp.fileno(), Stage.MAX_REQUESTS_REACHED if reached else Stage.SERVING)
        self.notify()

    @property
    def stage(self) -> Stage:
        return Stage(os.fstat(self.tmp.fileno()).st_size)
