"""What `gunicorn` runs. Every value that differs between places is a setting: see src/app/server/settings.py."""

import gc
import os

gc.disable()  # What the imports make stays: to look for garbage in it is a good part of the start.

from gunicorn.arbiter import Arbiter

import app.main  # noqa: F401 - Imported once here: the workers share its memory, and a replacement starts at once.
from app.kit import logs
from app.server import master, tls
from app.server.log import Logger
from app.server.worker import Worker
from app.settings import Settings

settings = Settings.load()
server = settings.server
logs.configure(settings.log)
tls.check(server)

wsgi_app = "app.main:create_app()"
bind = server.bind
workers = server.workers
worker_class = Worker
Worker.settings = server

keepalive = server.keep_alive
timeout = server.timeout
graceful_timeout = server.graceful_timeout
max_requests = server.max_requests
max_requests_jitter = server.max_requests_jitter

certfile = str(server.tls.certfile) if server.tls else None  # Only for the log line; the worker brings the context.
logger_class = Logger
loglevel = settings.log.level.lower()
control_socket_disable = True  # It would be one path for all instances of this user.
# The heartbeat: a disk that hangs must not look like a worker that hangs. A tmpfs, also when all else is read-only.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

on_starting = master.adopt
gc.enable()


def pre_fork(_master: Arbiter, _worker: Worker) -> None:
    gc.collect()
    gc.freeze()  # A collection in a worker would write to every shared page.
    # A request makes hundreds of objects and hardly a cycle: the default of 2,000 would search every few requests.
    gc.set_threshold(20_000, 20, 20)
