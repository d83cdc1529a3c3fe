"""An HTTP/2 client made of frames, which can send what no client would: RFC 9113, and RFC 7541 for heads."""

import asyncio
import collections
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple, Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS = 4, 3
NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 7, 8, 11
PATIENCE = 10.0

type Fields = Iterable[tuple[bytes, bytes]]


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[0:4] if self.kind == RST_STREAM else self.payload[4:8])


def frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


PING_FRAME = frame(PING, payload=b"12345678")


def setting(name: int, value: int) -> bytes:
    return frame(SETTINGS, payload=name.to_bytes(2) + value.to_bytes(4))


def number(value: int) -> bytes:
    return value.to_bytes(4)


def window(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, stream, number(increment))


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, stream, number(code))


def fields(given: Fields, first: bytes = b"\0") -> bytes:
    """Encode header fields. With `b"@"` as `first` the other side also adds them to its table."""
    return b"".join(first + _text(name) + _text(value) for name, value in given)


def _text(text: bytes) -> bytes:
    length, rest = bytearray(), len(text) - 127
    if rest < 0:
        return bytes([len(text)]) + text
    while rest >= 128:
        length.append(rest % 128 + 128)
        rest //= 128
    return bytes([127, *length, rest]) + text


def head(path: str = "/livez", *, method: bytes = b"GET", more: Fields = ()) -> bytes:
    pseudo = [(b":method", method), (b":scheme", b"http"), (b":path", path.encode("latin-1"))]
    return fields([*pseudo, (b":authority", b"localhost"), *more])


def request(stream: int, block: bytes, *, body: bool = False) -> bytes:
    """Frame the head of a request, in as many frames as it needs."""
    parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    kinds = [HEADERS, *[CONTINUATION] * (len(parts) - 1)]
    flags = [0 if body else END_STREAM, *[0] * (len(parts) - 1)]
    flags[-1] |= END_HEADERS
    return b"".join(frame(*each) for each in zip(kinds, [stream] * len(parts), parts, flags, strict=True))


class Client:
    """One connection. It keeps the frames it has read, and answers none unless `polite`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, polite: bool) -> None:
        self.reader, self.writer, self.polite = reader, writer, polite
        self.frames: list[Frame] = []
        self.read_all = False
        self.bodies: collections.Counter[int] = collections.Counter()
        self.arrived = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(
        cls,
        port: int,
        *,
        context: ssl.SSLContext | None = None,
        polite: bool = True,
        first: bytes = frame(SETTINGS),
    ) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        client = cls(reader, writer, polite=polite)
        client.send(PREFACE + first)
        reading = asyncio.create_task(client._read())
        try:
            yield client
        finally:
            reading.cancel()
            writer.transport.abort()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await reading

    def send(self, *data: bytes) -> None:
        if not self.writer.transport.is_closing():
            self.writer.write(b"".join(data))

    async def _read(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3]))
                self._handle(Frame(head[3], head[4], int.from_bytes(head[5:]), payload))
        self.read_all = True
        self.arrived.set()

    def _handle(self, read: Frame) -> None:
        if read.kind == DATA:
            self.bodies[read.stream] += len(read.payload)
        if self.polite and read.kind == DATA and read.payload:
            self.send(*(window(stream, len(read.payload)) for stream in (0, read.stream)))
        if self.polite and read.kind == SETTINGS and not read.flags & ACK:
            self.send(frame(SETTINGS, flags=ACK))
        self.frames.append(read)
        self.arrived.set()

    async def until(self, kind: int, stream: int = 0, flags: int = 0, within: float = PATIENCE) -> Frame:
        """Wait for such a frame, which may have come already."""
        async with asyncio.timeout(within):
            while True:
                for each in self.frames:
                    if each.kind == kind and each.stream == stream and each.flags & flags == flags:
                        return each
                if self.read_all:
                    raise EOFError(f"the connection has ended: {self.frames[-5:]}")
                self.arrived.clear()
                await self.arrived.wait()

    async def closed(self, within: float = PATIENCE) -> None:
        """Wait for the end of the connection."""
        async with asyncio.timeout(within):
            while not self.read_all:
                self.arrived.clear()
                await self.arrived.wait()

    async def status(self, stream: int, block: bytes = b"", **options: bool) -> int:
        """Send a request, if one is given, and return the status of its response when that has ended."""
        if block:
            self.send(request(stream, block, **options))
        answer = await self.until(HEADERS, stream)
        if not answer.flags & END_STREAM:
            await self.until(DATA, stream, END_STREAM)
        return status(answer.payload)

    def body(self, stream: int) -> bytes:
        return b"".join(each.payload for each in self.frames if each.kind == DATA and each.stream == stream)


def status(block: bytes) -> int:
    """Read the first field of a head: zttp writes `:status` as a literal or by its index."""
    if block[0] & 0x80:
        return {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}[block[0] & 0x7F]
    return int(block[2:5])
