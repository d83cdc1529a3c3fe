"""An upstream on a real socket, in a thread of its own, that writes the bytes that a test chooses."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Self

type Scenario = Callable[[asyncio.StreamWriter], Awaitable[None]]

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"ok": true}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class RawUpstream:
    """The next requests get `scenarios`, in their order. The last one stays."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.scenarios: list[Scenario] = [good]
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""
        self._context = context
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    @classmethod
    @contextlib.contextmanager
    def running(cls, context: ssl.SSLContext | None = None) -> Iterator[Self]:
        upstream = cls(context)
        thread = threading.Thread(target=upstream._run)
        thread.start()
        upstream._ready.wait()
        try:
            yield upstream
        finally:
            upstream._loop.call_soon_threadsafe(upstream._stop.set)
            thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        scheme = "https" if self._context else "http"
        self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/"
        self._ready.set()
        await self._stop.wait()
        server.close()
        server.abort_clients()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                self.requests.append(await _request(reader))
                scenario = self.scenarios.pop(0) if len(self.scenarios) > 1 else self.scenarios[0]
                await scenario(writer)
        writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + (await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b"")


def saying(*parts: bytes, every: float = 0) -> Scenario:
    async def say(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every)

    return say


def for_ever(first: bytes, part: bytes, every: float = 0) -> Scenario:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every)

    return say


good = saying(OK)
garbage = saying(bytes(range(128, 256)) * 32, b"\r\n\r\n")


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def reset_in_the_middle(writer: asyncio.StreamWriter) -> None:
    await saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", every=0.02)(writer)
    await reset(writer)


async def good_and_closed(writer: asyncio.StreamWriter) -> None:
    """As a server does after its idle timeout, without `Connection: close`."""
    await good(writer)
    writer.close()


def status(line: str, *headers: str, body: str = "") -> Scenario:
    fields = [f"HTTP/1.1 {line}", f"Content-Length: {len(body)}", *headers]
    return saying("\r\n".join([*fields, "", body]).encode())
