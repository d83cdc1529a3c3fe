"""The application is plain ASGI: other servers run it too, or it says clearly why not."""

import asyncio
import os
import shlex
import signal
import subprocess
from typing import Any

import pytest

from tests.server.conftest import Certificates, Serve
from tests.server.load import Load

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.heavy]

SERVERS = {
    "uvicorn": ("uvicorn", "--factory", "tests.server.app:create_app", "--port", "{port}"),
    "gunicorn's own worker": (
        "gunicorn",
        "--worker-class=asgi",
        "--bind=127.0.0.1:{port}",
        "tests.server.app:create_app()",
    ),
    "hypercorn": ("python", "-m", "hypercorn", "--bind=127.0.0.1:{port}", "tests.server.app:create_app()"),
}
DAPHNE = ("python", "-m", "daphne", "--port={port}", "application:application")


@pytest.fixture(scope="module")
def extra(slow_application: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Servers that the service does not depend on, in a folder beside its own environment."""
    folder = tmp_path_factory.mktemp("servers")
    uv = os.environ.get("UV", "uv")  # The one that runs these tests says where it is.
    install = f"{uv} pip install --quiet --python-version=3.13 --target {folder} hypercorn daphne"
    subprocess.run(shlex.split(install), check=True)
    (folder / "application.py").write_text(
        "from tests.server.app import create_app\n\napplication = create_app()\n"
    )
    return {"PYTHONPATH": f"{folder}:{slow_application['paths']}", "PYTHONWARNINGS": "ignore"}


@pytest.mark.parametrize("name", SERVERS)
async def test_the_same_calls(serve: Serve, extra: dict[str, str], name: str) -> None:
    server = await asyncio.to_thread(serve, extra, command=SERVERS[name])
    async with Load(server.port, clients=2).running() as load:
        await load.reach(50)
        await events(server)
        await websocket(server)
    assert not load.failures
    server.signal(signal.SIGTERM)
    await asyncio.to_thread(server.wait, 20)
    assert "lifespan: closed" in server.log


async def events(server: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"text/event-stream" in head.lower()
    for _ in range(2):
        await asyncio.wait_for(reader.readuntil(b"data: tick"), 5)
    writer.close()
    await writer.wait_closed()


async def websocket(server: Any) -> None:
    """RFC 6455 by hand: a handshake, one masked text frame, its echo."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    writer.write(b"\x81\x85\0\0\0\0hello")
    assert await asyncio.wait_for(reader.readexactly(7), 5) == b"\x81\x05hello"
    writer.close()
    await writer.wait_closed()


async def test_a_server_without_lifespan(serve: Serve, extra: dict[str, str]) -> None:
    server = await asyncio.to_thread(serve, extra, command=DAPHNE)
    assert await asyncio.to_thread(server.status, "/livez") == 503
    assert "this server did not run the ASGI lifespan: use uvicorn, gunicorn or hypercorn" in server.log


def test_http2_by_alpn(serve: Serve, certificates: Certificates) -> None:
    """A client that can speak it does when it is offered, and HTTP/1.1 when it is not."""
    for setting, version in (("true", "2"), ("false", "1.1")):
        server = serve(certificates.settings | {"APP_SERVER__HTTP2": setting})
        command = ["curl", "--silent", "--insecure", "--http2", "--output", "/dev/null", "--write-out"]
        curl = subprocess.run(
            [*command, "%{http_version}", server.url + "/livez"], capture_output=True, text=True, check=True
        )
        assert curl.stdout == version
