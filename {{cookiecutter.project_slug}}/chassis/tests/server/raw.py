"""A client of raw sockets: HTTP libraries cannot send most of what a hostile client sends."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chassis.testing import PATIENCE, ServerProcess

SMALL = {
    "APP_SERVER__HEAD_TIMEOUT": "1",
    "APP_SERVER__DEADLINE": "2",
    "APP_SERVER__MAX_CONCURRENCY": "5",
    "APP_SERVER__MAX_CONNECTIONS": "20",
    "APP_SERVER__WRITE_TIMEOUT": "1",
    "APP_DATABASE__STATEMENT_TIMEOUT": "1",
}
"""Settings with limits that a test reaches soon."""
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@contextmanager
def connected(server: ServerProcess) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        yield connection


def received(connection: socket.socket) -> bytes:
    """Read until the server closes, which must happen long before the keep-alive timeout."""
    answer = b""
    try:
        while data := connection.recv(65536):
            answer += data
    except ConnectionError:
        pass  # It closed before it had read everything.
    return answer


def exchange(server: ServerProcess, *parts: bytes) -> bytes:
    """Send, then read until the server closes."""
    with connected(server) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(0.05 if len(parts) > 1 else 0)  # Each in a packet of its own.
        except ConnectionError:
            pass
        return received(connection)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def frame(payload: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    """Return a WebSocket frame of a client, masked by zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xff" + size.to_bytes(8)
    return bytes([0x80 * final | opcode]) + length + bytes(4) + payload


def all_slots_are_free(server: ServerProcess) -> bool:
    clients = opened(server, 5)
    try:
        for client in clients:
            client.sendall(b"GET /slow?seconds=0.1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return {status(received(client)) for client in clients} == {200}
    finally:
        for client in clients:
            client.close()


def opened(server: ServerProcess, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(count)]


def memory(server: ServerProcess) -> float:
    [worker] = server.workers
    pages = int(Path(f"/proc/{worker}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
