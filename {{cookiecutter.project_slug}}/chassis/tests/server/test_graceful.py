import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chassis.testing import PATIENCE, ServerProcess
from tests.server.conftest import Serve


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def read_events(server: ServerProcess, opened: threading.Event) -> str:
    """Read the stream until the server ends it. A broken connection raises."""
    text = ""
    with httpx2.stream("GET", server.url + "/events", timeout=PATIENCE) as response:
        for part in response.iter_text():
            text += part
            opened.set()
    return text


def test_a_stop_loses_nothing(serve: Serve, pool: ThreadPoolExecutor) -> None:
    server = serve({"APP_SERVER__DRAIN": "1"})
    url, opened = server.url, threading.Event()
    events = pool.submit(read_events, server, opened)
    slow = pool.submit(httpx2.get, url + "/slow?seconds=2", timeout=PATIENCE)
    with (
        connect(url.replace("http", "ws") + "/socket") as websocket,
        socket.create_connection(("127.0.0.1", server.port)),
        httpx2.Client(base_url=url, timeout=PATIENCE) as kept,
    ):
        websocket.send("hello")
        assert websocket.recv() == "hello"
        assert kept.get("/readyz").status_code == 200
        assert opened.wait(PATIENCE)

        asked = time.monotonic()
        server.signal(signal.SIGTERM)
        server.wait_for_log("shutting down: drain")
        assert kept.get("/readyz").status_code == 503
        assert server.status("/scope") == 200
        assert events.result(PATIENCE).endswith("data: tick\n\n")
        with pytest.raises(ConnectionClosed):
            websocket.recv(timeout=PATIENCE)
        assert websocket.close_code == 1012
    assert slow.result(PATIENCE).status_code == 200
    assert server.wait() == 0
    assert time.monotonic() - asked < 15, "something had to be cancelled"
    assert "lifespan: closed" in server.log


def test_the_second_signal_aborts(serve: Serve, pool: ThreadPoolExecutor) -> None:
    server = serve({"APP_SERVER__DRAIN": "8"})
    slow = pool.submit(server.status, "/slow?seconds=9")
    server.wait_until(lambda: server.status("/livez") == 200, "to have an active request")
    asked = time.monotonic()
    server.signal(signal.SIGTERM)
    server.wait_for_log("shutting down: drain")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert time.monotonic() - asked < 8
    assert "lifespan: closed" in server.log
    assert slow.result(PATIENCE) in {500, None}
