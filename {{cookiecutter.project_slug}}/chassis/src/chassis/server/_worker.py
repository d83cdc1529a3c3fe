"""The worker class: uvicorn-worker's, with our TLS, limits and leaving."""

import asyncio
import enum
import faulthandler
import logging
import os
import socket
import ssl
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, override

from gunicorn.arbiter import Arbiter
from uvicorn.config import Config
from uvicorn_worker import UvicornWorker

from chassis import tls
from chassis.server import _protocol
from chassis.server._graceful import GracefulServer
from chassis.server._settings import ServerSettings

ACCEPTS = 8
"""Connections that a turn of the event loop can accept. With one, where each request has a connection of its own, a
busy worker serves .6 times as many; with 16, 1.03 times (the template's docs/decisions/the-server.md)."""


class Stage(enum.IntEnum):
    """A worker tells it to its master as the size of the heartbeat file, the one thing that both hold."""

    BOOTING = 0
    SERVING = 1
    MAX_REQUESTS_REACHED = 2
    """It has served its `max_requests` and asks to be replaced."""


class Worker(UvicornWorker):  # type: ignore[misc]  # It ships no types.
    settings: ServerSettings
    """Set on the class by gunicorn.conf.py: gunicorn hands a worker nothing but its own configuration."""

    obsolete = False
    retired = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.CONFIG_KWARGS = self._uvicorn_options()
        super().__init__(*args, **kwargs)
        # Stock gives uvicorn's loggers gunicorn's handlers; all of ours go through the root's.
        error_log = logging.getLogger("uvicorn.error")
        error_log.handlers, error_log.propagate = [], True

    def _uvicorn_options(self) -> dict[str, Any]:
        settings = self.settings
        # By name, because the parser of HTTP/2 is an extra package.
        protocols = import_module("chassis.server._http2" if settings.http2 else "chassis.server._protocol")
        options = {
            "http": protocols.limited(settings),
            "ws": _protocol.TLSWebSocketProtocol,
            "lifespan": "on",
            "access_log": False,
            "server_header": False,
            "proxy_headers": bool(settings.trusted_proxies),
            "forwarded_allow_ips": [str(proxy) for proxy in settings.trusted_proxies],
            "timeout_graceful_shutdown": settings.graceful_shutdown,
            "limit_max_requests": None,  # Stock drops connections then; the master replaces us first.
            "callback_notify": None,
        }
        return options | ({"ssl_context_factory": self._tls} if settings.tls else {})

    def _tls(self, _config: Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        assert self.settings.tls  # noqa: S101 - Else uvicorn would not ask.
        self.serving = tls.RotatingContext(ssl.PROTOCOL_TLS_SERVER)
        self.serving.current = tls.context(self.settings.tls, http2=self.settings.http2)
        return self.serving

    @override
    def init_signals(self) -> None:
        super().init_signals()
        # gunicorn aborts a worker whose loop is blocked: this prints where.
        faulthandler.enable()

    @override
    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = GracefulServer(self.config, self.settings, self.beat)
        if self.settings.tls:
            self.config.load()
            rotation = tls.rotate(self.serving, self.settings.tls, http2=self.settings.http2)
            server.tasks.append(asyncio.create_task(rotation))
        # Bare sockets: uvloop and gunicorn's wrapper would both close the descriptor, whosever it is by then.
        await server.serve(sockets=[each for listener in self.sockets for each in descriptors(listener.sock)])
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def beat(self, requests: int) -> None:
        os.ftruncate(self.tmp.fileno(), Stage.MAX_REQUESTS_REACHED if requests >= self.max_requests else Stage.SERVING)
        self.notify()

    @property
    def stage(self) -> Stage:
        return Stage(os.fstat(self.tmp.fileno()).st_size)


def descriptors(listener: socket.socket) -> list[socket.socket]:
    """Return the socket under several descriptors: for each, libuv accepts no more than one connection in a turn."""
    return [listener, *(listener.dup() for _ in range(ACCEPTS - 1))]
