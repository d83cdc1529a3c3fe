"""What can stand between a service and its PostgreSQL, and does so in tests."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import make_url

PIECE = 65_536
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@asynccontextmanager
async def proxied(url: str, *, tls: ssl.SSLContext | None = None, losing: bytes = b"") -> AsyncIterator[str]:
    """Pass everything on to the server of `url`, and give the URL of the proxy on 127.0.0.1.

    With `tls` it takes encrypted connections alone. What comes back after a message that holds `losing` is not passed
    on: the connection ends instead.
    """
    target = make_url(url)

    async def serve(client: StreamReader, to_client: StreamWriter) -> None:
        if tls:
            assert await client.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
            to_client.write(b"S")
            try:
                await to_client.start_tls(tls)
            except OSError:
                return  # The client does not like the certificate.
        if folder := target.query.get("host"):
            server, to_server = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{target.query['port']}")
        else:
            server, to_server = await asyncio.open_connection(target.host, target.port)
        lost = asyncio.Event()
        async with asyncio.TaskGroup() as both:
            both.create_task(_requests(client, to_server, lost, losing))
            both.create_task(_answers(server, to_client, lost, to_server))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxy:
        port = proxy.sockets[0].getsockname()[1]
        there = target.set(host="127.0.0.1", port=port, query={}, drivername="postgresql")
        yield there.render_as_string(hide_password=False)


async def _requests(client: StreamReader, to_server: StreamWriter, lost: asyncio.Event, losing: bytes) -> None:
    while data := await client.read(PIECE):
        if losing and losing in data:
            lost.set()
        to_server.write(data)
    to_server.close()


async def _answers(server: StreamReader, to_client: StreamWriter, lost: asyncio.Event, to_server: StreamWriter) -> None:
    while (data := await server.read(PIECE)) and not lost.is_set():
        to_client.write(data)
    to_client.close()
    to_server.close()
