"""Connections: how many there are, who may hold them, and to whom they lead."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import SecretStr
from sqlalchemy import literal, select, text

from chassis.database import (
    CurrentDatabase,
    Database,
    DatabaseSettings,
    DatabaseUnavailable,
    ReadSession,
    Session,
    Statement,
    StreamingSession,
)
from chassis.testing import with_state
from example.main import State
from tests.postgres_proxy import proxied

CHUNK = "x" * 65_536
CHUNKS = 200  # Far more than the buffers of a socket hold.


async def chunks() -> AsyncIterator[str]:
    for _ in range(CHUNKS):
        yield CHUNK


def streaming(app: FastAPI) -> None:
    @app.get("/session")
    async def by_session(session: Session) -> StreamingResponse:
        await session.execute(text("SELECT 1"))
        return StreamingResponse(chunks())

    @app.get("/reading")
    async def by_reading(session: ReadSession) -> StreamingResponse:
        await session.execute(text("SELECT 1"))
        return StreamingResponse(chunks())

    @app.get("/block")
    async def by_block(database: CurrentDatabase) -> StreamingResponse:
        async with database.reading() as session:
            await session.execute(text("SELECT 1"))
        return StreamingResponse(chunks())

    @app.get("/rows")
    async def rows(session: StreamingSession) -> StreamingResponse:
        numbers = await session.stream_scalars(
            text("SELECT repeat('x', 65536) FROM generate_series(1, :n)"), {"n": CHUNKS}
        )
        return StreamingResponse(numbers)


@pytest.mark.parametrize(("path", "held"), [("/session", 0), ("/reading", 0), ("/block", 0), ("/rows", 1)])
async def test_a_slow_reader_holds_no_connection_but_by_name(app: FastAPI, state: State, path: str, held: int) -> None:
    """On a real server, whose client reads the first bytes of a long answer and then nothing for a while."""
    streaming(app)
    pool = state["database"].engine.pool
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(with_state(app, state), lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname(), limit=1024)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"
    await asyncio.sleep(0.1)
    assert f"Current Checked out connections: {held}" in pool.status()
    answer = await reader.read()
    assert answer.count(b"x") >= CHUNKS * len(CHUNK)
    writer.close()
    server.should_exit = True
    await serving
    assert "Current Checked out connections: 0" in pool.status()


@pytest.mark.parametrize(("pool_size", "replicas", "warned"), [(5, 1, False), (10_000, 1, True), (5, 2_000, True)])
async def test_the_first_connection_warns_if_there_are_too_few_for_all(
    migrated_url: str, capsys: pytest.CaptureFixture[str], pool_size: int, replicas: int, warned: bool
) -> None:
    settings = DatabaseSettings(url=SecretStr(migrated_url), pool_size=pool_size, replicas=replicas)
    async with Database.open(settings, workers=2) as database:
        assert await database.state(within=20) == "ok"
    assert ("too few connections" in capsys.readouterr().out) == warned


@pytest.fixture
async def encrypted_url(migrated_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database with a certificate for `localhost`, of the authority in ca.pem."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    async with proxied(migrated_url, tls=tls) as url:
        yield url


@pytest.mark.parametrize(
    ("host", "trusted", "said"),
    [
        ("localhost", "ca.pem", None),
        ("127.0.0.1", "ca.pem", "certificate is not valid for '127.0.0.1'"),
        ("localhost", "another.pem", "unable to get local issuer certificate"),
    ],
)
async def test_tls_to_the_database_is_verified(  # noqa: PLR0913 - Fixtures, and the case.
    encrypted_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, host: str, trusted: str, said: str | None
) -> None:
    verified = f"{encrypted_url.replace('127.0.0.1', host)}?sslmode=verify-full&sslrootcert={tmp_path / trusted}"
    async with Database.open(DatabaseSettings(url=SecretStr(verified))) as database:
        for read in (by_session, by_statement):
            if said:
                with pytest.raises(DatabaseUnavailable):
                    await read(database)
                assert said in capsys.readouterr().out
            else:
                assert await read(database) == 1


async def by_session(database: Database) -> int | None:
    async with database.transaction() as session:
        return await session.scalar(select(1))


async def by_statement(database: Database) -> int:
    return await Statement(int, select(literal(1).label("one"))).one(database.pool)


@pytest.mark.parametrize(
    ("query", "is_warned"),
    [
        ("", True),
        ("?sslmode=require", True),
        ("?sslmode=require&sslrootcert={ca}", False),
        ("?sslmode=verify-ca&sslrootcert={ca}", False),
    ],
)
async def test_the_first_connection_warns_if_it_does_not_verify_the_server(
    encrypted_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], query: str, *, is_warned: bool
) -> None:
    # A name of this machine that does not look like one.
    url = encrypted_url.replace("127.0.0.1", "127.1").replace("postgres@", "postgres:hunter2@")
    url += query.format(ca=tmp_path / "ca.pem")
    async with Database.open(DatabaseSettings(url=SecretStr(url))) as database:
        assert await database.state(within=20) == "ok"
        await database.engine.dispose()
        assert await database.state(within=20) == "ok"

    said = capsys.readouterr().out

    assert said.count("does not verify the server") == is_warned
    assert ("127.1" in said) == is_warned
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("host", "query", "is_warned"),
    [("127.1", "", True), ("127.1", "?sslmode=disable", False), ("localhost", "", False)],
)
async def test_a_network_that_is_declared_safe_is_no_warning(
    migrated_url: str, capsys: pytest.CaptureFixture[str], host: str, query: str, *, is_warned: bool
) -> None:
    async with proxied(migrated_url) as url:
        settings = DatabaseSettings(url=SecretStr(url.replace("127.0.0.1", host) + query))
        async with Database.open(settings) as database:
            state = await database.state(within=20)

    assert state == "ok"
    assert ("does not verify the server" in capsys.readouterr().out) == is_warned
