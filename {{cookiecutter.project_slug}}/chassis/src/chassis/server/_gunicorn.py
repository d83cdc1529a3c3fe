"""gunicorn's configuration, from our settings."""

import gc
import os
from typing import Any

from chassis import tls
from chassis.logs import LogSettings
from chassis.server import _master
from chassis.server._log import Logger
from chassis.server._settings import ServerSettings
from chassis.server._worker import Worker


def configured(server: ServerSettings, log: LogSettings) -> dict[str, Any]:
    Worker.rotation = tls.load(server.tls, http2=server.http2) if server.tls else None
    Worker.settings = server
    return {
        "bind": server.bind,
        "workers": server.workers,
        "worker_class": Worker,
        "keepalive": server.keep_alive,
        "timeout": server.timeout,
        "graceful_timeout": server.graceful_timeout,
        "max_requests": server.max_requests,
        "max_requests_jitter": server.max_requests_jitter,
        "certfile": str(server.tls.certfile) if server.tls else None,  # For "https" in gunicorn's log line only.
        "logger_class": Logger,
        "loglevel": log.level.lower(),
        "control_socket_disable": True,  # Its path would be the same for all services of this user.
        # The heartbeat file: a slow disk must not look like a blocked worker. /dev/shm is writable on a read-only root.
        "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108 - As above.
        "on_starting": _master.adopt,
        "pre_fork": freeze,
    }


def freeze(_master: object, _worker: object) -> None:
    gc.collect()
    gc.freeze()  # Otherwise a collection in a worker would write to every page that it shares with the master.
    # A request creates hundreds of objects and few cycles. The default of 2,000 would collect every few requests.
    gc.set_threshold(20_000, 20, 20)
