"""Where statements go that may read what is a moment old."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import Integer, String, make_url, text

from chassis.database._pools import Pool, ReadSession, ReplicaPool, Session
from chassis.database._statements import Statement
from chassis.testing import opened, with_state
from example.main import create_app
from example.settings import Settings

WHERE = Statement(str, text("SELECT current_database()").columns(name=String))
BACKEND = Statement(int, text("SELECT pg_backend_pid()").columns(pid=Integer))
AWAY = "postgresql://nobody@127.0.0.1:1/nothing"


@asynccontextmanager
async def served(settings: Settings, read_url: str | None) -> AsyncIterator[AsyncClient]:
    """Run the service, with a route for each executor that says which database it leads to."""
    at = settings.database.model_copy(update={"read_url": SecretStr(read_url) if read_url else None})
    app = create_app(settings.model_copy(update={"database": at}))

    @app.get("/reads")
    async def by_pool(pool: Pool) -> str:
        return await WHERE.one(pool)

    @app.get("/replica")
    async def by_replica(replica: ReplicaPool) -> str:
        return await WHERE.one(replica)

    @app.get("/session")
    async def by_session(session: Session) -> str:
        return await WHERE.one(session)

    @app.get("/reading")
    async def by_reading(session: ReadSession) -> str:
        return await WHERE.one(session)

    @app.get("/backends")
    async def backends(pool: Pool, replica: ReplicaPool) -> int:
        return len({await BACKEND.one(pool), await BACKEND.one(replica)})

    async with (
        opened(app) as state,
        AsyncClient(transport=ASGITransport(with_state(app, state)), base_url="http://test") as client,
    ):
        yield client


async def test_a_replica_gets_the_reads_that_ask_for_it_and_no_others(
    settings: Settings, migrated_url: str, server_url: str
) -> None:
    here, there = make_url(migrated_url).database, make_url(server_url).database
    async with served(settings, server_url) as client:
        found = {path: (await client.get(path)).json() for path in ("/reads", "/replica", "/session", "/reading")}
    assert found == {"/reads": here, "/replica": there, "/session": here, "/reading": here}
    assert here != there
    async with served(settings, migrated_url) as client:
        assert (await client.get("/backends")).json() == 2


async def test_without_a_replica_there_is_one_pool(settings: Settings, migrated_url: str) -> None:
    async with served(settings, None) as client:
        assert (await client.get("/backends")).json() == 1
        assert (await client.get("/replica")).json() == make_url(migrated_url).database


async def test_a_replica_that_is_away_fails_its_own_reads_alone(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(settings, AWAY) as client:
        for _ in range(2):
            response = await client.get("/replica")
            assert (response.status_code, response.json()["type"]) == (503, "/problems/database-unavailable")
        assert [(await client.get(path)).status_code for path in ("/reads", "/session", "/readyz")] == [200] * 3
    assert "database connection failed" in capsys.readouterr().out
