import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import text

from chassis.database import DatabaseSettings, ReadSession
from chassis.testing import ClientFactory, opened
from example.main import State, create_app
from example.settings import Settings


@pytest.fixture(autouse=True)
def route(app: FastAPI) -> None:
    """A route that needs the database."""

    @app.get("/rows")
    async def rows(session: ReadSession) -> int:
        return len((await session.scalars(text("SELECT 1"))).all())


async def test_a_service_that_can_work_is_ready(client: AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "ok"}
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "database": "ok"})


async def test_a_service_without_its_database_starts_but_is_not_ready(client_for: ClientFactory) -> None:
    away = DatabaseSettings(url=SecretStr("postgresql://nobody@127.0.0.1:1/nothing"))
    app = create_app(Settings(database=away))
    async with opened(app) as state, client_for(state) as client:
        assert (await client.get("/livez")).status_code == 200
        response = await client.get("/readyz")
        assert (response.status_code, response.json()) == (503, {"status": "unavailable", "database": "unavailable"})
        rows = await client.get("/rows")
        assert (rows.status_code, rows.json()["type"]) == (503, "/problems/database-unavailable")
        assert rows.headers["Retry-After"] == "1"


async def test_a_busy_service_stays_ready(client_for: ClientFactory, state: State) -> None:
    engine = state["database"].engine
    async with client_for(state) as client:
        held = [await engine.connect() for _ in range(5)]
        response = await client.get("/readyz")
        rows = await client.get("/rows")
        for connection in held:
            await connection.close()
    assert (response.status_code, response.json()["database"]) == (200, "busy")
    assert (rows.status_code, rows.json()["detail"]) == (503, "All connections are busy")
