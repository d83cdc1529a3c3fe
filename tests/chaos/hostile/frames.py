"""What a client of WebSockets sends."""

import struct

from tests.chaos.hostile.client import Client, request

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
CONTINUATION, TEXT, CLOSE, PING = 0, 1, 8, 9


def upgrade(
    path: str, *headers: str, method: str = "GET", http: str = "1.1", key: str = KEY, version: str = "13"
) -> bytes:
    protocol = (f"Sec-WebSocket-Key: {key}", f"Sec-WebSocket-Version: {version}")
    return request(
        f"{method} {path} HTTP/{http}", "Connection: Upgrade", "Upgrade: websocket", *protocol, *headers
    )


def frame(opcode: int, payload: bytes = b"", *, last: bool = True) -> bytes:
    """Return a frame with a mask of zeros, so that the payload is as it is."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    else:
        length = struct.pack("!BH", 0xFE, size) if size < 1 << 16 else struct.pack("!BQ", 0xFF, size)
    return bytes([(0x80 if last else 0) | opcode]) + length + bytes(4) + payload


async def opened(client: Client, path: str) -> Client:
    """Open a WebSocket on the connection of the client."""
    assert await client.ask(upgrade(path)) == 101
    client.received = client.received.partition(b"\r\n\r\n")[2]
    return client
