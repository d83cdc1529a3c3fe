"""uvicorn in a thread of this process.

Private API: `serving` sets `should_exit` and `force_exit` of `Server`.
Why: uvicorn documents no way to stop a server from another thread, nor without waiting for open connections.
Checked by: tests/server/test_library_api.py (names).
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.force_exit = server.should_exit = True
        thread.join()
