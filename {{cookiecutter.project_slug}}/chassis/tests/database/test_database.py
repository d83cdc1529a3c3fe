"""The sessions and what a failing database means, on a real PostgreSQL."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import SecretStr
from sqlalchemy import text

from chassis.database import (
    Base,
    Database,
    DatabaseSettings,
    ReadSession,
    Session,
)
from chassis.database._errors import DatabaseUnavailable
from chassis.testing import ClientFactory
from example.main import State


async def execute(database: Database, statement: str, **values: object) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement), values)


@pytest.fixture
async def table(committed: State) -> AsyncIterator[str]:
    """A table whose constraint is checked by COMMIT only."""
    await execute(committed["database"], "CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    yield "late"
    await execute(committed["database"], "DROP TABLE late")


@pytest.mark.usefixtures("table")
async def test_a_failing_commit_is_an_error_and_not_a_success(
    app: FastAPI, client_for: ClientFactory, state: State
) -> None:
    @app.post("/late", status_code=201)
    async def insert(session: Session) -> str:
        await session.execute(text("INSERT INTO late VALUES (1), (1)"))
        return "inserted"

    async with client_for(state) as client:
        assert (await client.post("/late")).status_code == 500


async def test_a_reading_session_opens_no_transaction(state: State) -> None:
    query = text("SELECT txid_current()")  # The same, if both were in one transaction.
    async with state["database"].reading() as session:
        assert await session.scalar(query) != await session.scalar(query)


async def test_no_session_takes_a_connection_before_its_first_statement(state: State) -> None:
    database = state["database"]
    async with database.transaction(), database.reading():
        assert "Current Checked out connections: 0" in database.engine.pool.status()


@pytest.mark.parametrize("dependency", [Session, ReadSession])
async def test_a_connection_is_back_before_the_response_is_sent(
    app: FastAPI, client_for: ClientFactory, state: State, dependency: Any
) -> None:
    pool = state["database"].engine.pool

    @app.get("/held")
    async def held(session: dependency) -> StreamingResponse:
        await session.execute(text("SELECT 1"))
        assert "Current Checked out connections: 1" in pool.status()

        async def status() -> AsyncIterator[str]:
            yield pool.status()

        return StreamingResponse(status())

    async with client_for(state) as client:
        assert "Current Checked out connections: 0" in (await client.get("/held")).text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@127.0.0.1:1/postgres",
        "postgresql://postgres@/postgres?host=/nowhere",
        "postgresql://postgres@does-not-exist.invalid/postgres",
    ],
)
async def test_a_database_that_cannot_be_reached(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with Database.open(DatabaseSettings(url=SecretStr(url), password=SecretStr("hunter2"))) as database:
        with pytest.raises(DatabaseUnavailable):
            await execute(database, "SELECT 1")
        assert await database.state(within=20) == "unavailable"
    assert "hunter2" not in capsys.readouterr().out


async def test_an_unknown_database_is_unavailable(migrated_url: str) -> None:
    url = migrated_url.replace(migrated_url.partition("?")[0].rpartition("/")[2], "no_such_database", 1)
    async with Database.open(DatabaseSettings(url=SecretStr(url))) as database:
        assert await database.state(within=20) == "unavailable"


async def test_a_silent_database_is_given_up_on_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = SecretStr(f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/postgres")
        async with Database.open(DatabaseSettings(url=url, connect_timeout=0.2)) as database, asyncio.timeout(30):
            with pytest.raises(DatabaseUnavailable):
                await execute(database, "SELECT 1")


async def test_the_engine_has_the_settings(migrated_url: str) -> None:
    settings = DatabaseSettings(url=SecretStr(migrated_url), pool_size=3, statement_timeout=1.5)
    async with Database.open(settings) as database, database.reading() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "1500ms"
        assert "Pool size: 3" in database.engine.pool.status()


def test_migrations_have_time_and_may_go_around_the_pooler() -> None:
    pooled, direct = SecretStr("postgresql://u@pooler:6432/d"), SecretStr("postgresql://u@server/d")
    through = DatabaseSettings(url=pooled, pgbouncer=True).direct()
    around = DatabaseSettings(url=pooled, pgbouncer=True, direct_url=direct).direct()
    assert (through.url, through.pgbouncer, through.statement_timeout) == (pooled, True, 0)
    assert (around.url, around.pgbouncer, around.statement_timeout) == (direct, False, 0)


def test_constraints_have_names() -> None:
    for table in Base.metadata.tables.values():
        names = [constraint.name for constraint in table.constraints] + [index.name for index in table.indexes]
        for name in names:
            assert str(name).startswith(("pk_", "uq_", "ck_", "fk_", "ix_"))
