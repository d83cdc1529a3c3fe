"""One connection of a client that sends and reads, or does not read, byte for byte what a test says.

Every wait is bounded. A reset is read as an end: what counts is that the server has closed the connection.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Self

from tests.chaos.http_connection import Answer

WITHIN = 10.0  # Seconds.


class Client:
    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.received = b""
        self.ended = False

    @classmethod
    async def connect(cls, port: int, *, buffer: int = 0, source: str = "127.0.0.1") -> Self:
        """`buffer`: the bytes that the kernel may receive for this client. `source`: its address."""
        opened = socket.socket()
        opened.settimeout(0)
        if buffer:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            opened.bind((source, 0))
            async with asyncio.timeout(WITHIN):
                await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
        except BaseException:
            opened.close()
            raise
        return cls(opened)

    async def send(self, data: bytes, within: float = WITHIN) -> bool:
        """Send, and return whether the server took all of it."""
        try:
            async with asyncio.timeout(within):
                await asyncio.get_running_loop().sock_sendall(self.socket, data)
        except OSError:  # TimeoutError too.
            return False
        return True

    async def read(self, within: float = WITHIN) -> bytes:
        """Read once. No bytes: the server has closed. Raises TimeoutError."""
        try:
            async with asyncio.timeout(within):
                data = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 20)
        except ConnectionError:
            data = b""
        self.ended = not data
        self.received += data
        return data

    async def read_to_end(self, within: float = WITHIN) -> bytes:
        """Read until the server closes. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while await self.read(within):
                pass
        return self.received

    async def answers(self, count: int, within: float = WITHIN) -> list[Answer]:
        """Read until there are so many whole answers, or the server closes."""
        async with asyncio.timeout(within):
            while len(found := parsed(self.received)) < count and await self.read(within):
                pass
        return found

    async def ask(self, request: bytes, within: float = WITHIN) -> int:
        """Send a request and return the status of its answer, 0 without one."""
        await self.send(request)
        found = await self.answers(1, within)
        return found[0].status if found else 0

    def end_writing(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def close(self, *, reset: bool = False) -> None:
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@contextlib.asynccontextmanager
async def crowd(
    port: int, count: int, *, buffer: int = 0, source: str = "127.0.0.1", reset: bool = False
) -> AsyncIterator[list[Client]]:
    """So many clients, which all disconnect at the end."""
    clients: list[Client] = []
    try:
        for _ in range(count):
            client = await Client.connect(port, buffer=buffer, source=source)
            clients.append(client)
        yield clients
    finally:
        for client in clients:
            client.close(reset=reset)


def get(path: str, *headers: str) -> bytes:
    return request(f"GET {path} HTTP/1.1", *headers)


def post(path: str, body: bytes, *headers: str) -> bytes:
    sized = (f"Content-Length: {len(body)}", "Content-Type: application/json")
    return request(f"POST {path} HTTP/1.1", *sized, *headers) + body


def request(line: str, *headers: str) -> bytes:
    return "\r\n".join((line, "Host: localhost", *headers, "", "")).encode("latin-1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def status(port: int, path: str) -> int:
    """Return that of a request on a connection of its own, 0 without an answer in time."""
    async with crowd(port, 1) as [client]:
        with contextlib.suppress(TimeoutError):
            return await client.ask(get(path, "Connection: close"))
    return 0


def parsed(data: bytes) -> list[Answer]:
    """Return the whole answers, without 100 Continue. One without a Content-Length counts from its head."""
    found = []
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        size = int(headers.get("content-length", 0))
        if len(data) < size:
            break
        answer = Answer(int(first.split()[1]), headers, data[:size])
        data = data[size:]
        if answer.status != 100:
            found.append(answer)
    return found
