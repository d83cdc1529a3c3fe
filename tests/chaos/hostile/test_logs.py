"""What clients send is not in the log, and they cannot fill the disk with it."""

import asyncio
import contextlib

import pytest

from tests.chaos.hostile.client import crowd, get, post, request
from tests.chaos.hostile.conftest import Attacked
from tests.chaos.hostile.frames import CLOSE, TEXT, frame, upgrade
from tests.chaos.hostile.watch import watched

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

SECRET = "SECRET"  # noqa: S105 - Made up for this test.
ADDRESS = "127.6.6.6"
HEADERS = (f"Authorization: Bearer {SECRET}", f"Cookie: id={SECRET}", f"X-Other: {SECRET}")
BYTES = 500  # Of log for each request, with what others write meanwhile.
WITH_SECRETS = {
    "a request": get(f"/v1/orders?token={SECRET}", *HEADERS),
    "an unknown path": get(f"/{SECRET}?token={SECRET}", *HEADERS),
    "a body": post(f"/v1/orders?token={SECRET}", f'{{"reference": "{SECRET}"'.encode(), *HEADERS),
    "a WebSocket": upgrade(f"/socket?token={SECRET}", *HEADERS) + frame(TEXT, SECRET.encode()) + frame(CLOSE),
    "a refused WebSocket": upgrade(f"/refused?token={SECRET}", *HEADERS),
    "an unknown WebSocket": upgrade(f"/{SECRET}?token={SECRET}", *HEADERS),
    "a malformed WebSocket": upgrade(f"/socket?token={SECRET}", *HEADERS, key=SECRET),
    "a malformed frame": upgrade(f"/socket?token={SECRET}", *HEADERS) + b"\x8f\x06" + SECRET.encode(),
    "not UTF-8": upgrade(f"/socket?token={SECRET}", *HEADERS) + frame(TEXT, SECRET.encode() + b"\xff"),
    "another protocol": request(
        f"GET /?token={SECRET} HTTP/1.1", "Connection: Upgrade", f"Upgrade: {SECRET}"
    ),
    "a malformed request": request(f"GET /?token={SECRET} HTTP/9.9", *HEADERS),
    "a malformed header": request(f"GET /?token={SECRET} HTTP/1.1", f"Author ization: {SECRET}"),
}


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_neither_secrets_nor_addresses(attacked: Attacked, level: str) -> None:
    server = attacked({"APP_LOG__LEVEL": level})
    found = set()
    for name, sent in WITH_SECRETS.items():
        logged = len(server.lines)
        async with crowd(server.port, 1, source=ADDRESS) as [client]:
            await client.send(sent)
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.1)
        log = "\n".join(server.lines[logged:])
        found |= {f"{what} of {name}" for what in (SECRET, ADDRESS, "Traceback") if what in log}
    assert not found


MALFORMED = {
    "malformed requests": b"\0\r\n\r\n",
    "malformed upgrades": upgrade("/socket", key="???"),
    "unknown protocols": request("GET / HTTP/1.1", "Connection: close, Upgrade", "Upgrade: h2c"),
    "upgrades": upgrade("/socket?" + "x" * 7_000),
    "refused upgrades": upgrade("/refused?" + "x" * 7_000),
    "frames that are not UTF-8": upgrade("/socket") + frame(TEXT, b"\xff" * 10_000),
    "malformed frames": upgrade("/socket") + b"\xff" * 1_000,
    "broken requests": get("/" + "x" * 20_000) + b"\0",
    "bodies with an error": post("/v1/orders", b"{" + b"x" * 10_000, "Connection: close"),
    "bodies that end too early": post("/echo", b"x" * 1_000)[:-1],
}


async def test_floods_of_log_lines(attacked: Attacked) -> None:
    server = attacked()
    written = {}
    async with watched(server, ("/livez",)):
        for name, sent in MALFORMED.items():
            before, count = len(server.log), 1_000 if name == "malformed requests" else 200
            for _ in range(count // 50):
                await asyncio.gather(*(hang_up_after(server.port, sent) for _ in range(50)))
            await asyncio.sleep(0.1)
            written[name] = (len(server.log) - before) // count
        too_much = {name: size for name, size in written.items() if size > BYTES}
        assert not too_much, f"bytes of log for each request: {too_much}"


async def hang_up_after(port: int, sent: bytes) -> None:
    async with crowd(port, 1) as [client]:
        await client.send(sent)
        with contextlib.suppress(TimeoutError):
            await client.read(0.5)
