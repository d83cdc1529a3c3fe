"""Routes with an effect that can be counted, for requests that come again: on both of the idempotent dependencies."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Response
from httpx2 import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database._driver import Transaction
from chassis.database._errors import DatabaseConflict
from chassis.database._pools import Database
from chassis.errors import ServiceError
from chassis.idempotency import IdempotentSession, IdempotentTransaction
from chassis.routing import Route, check
from chassis.testing import ClientFactory
from example.main import State

INSERT = "INSERT INTO effects VALUES ($1, $2)"
DEPENDENCIES: dict[str, Any] = {"session": IdempotentSession, "statements": IdempotentTransaction}


class Refused(ServiceError):
    status = 409


@pytest.fixture
async def effects(committed: State) -> AsyncIterator[Database]:
    database = committed["database"]
    await execute(database, "CREATE TABLE effects (name text, day int)")
    yield database
    await execute(database, "DROP TABLE effects")


@pytest.fixture(params=DEPENDENCIES)
def routed(app: FastAPI, request: pytest.FixtureRequest) -> FastAPI:
    dependency: Any = DEPENDENCIES[request.param]
    router = APIRouter(prefix="/effects", route_class=Route)
    refusals = iter([True])
    app.state.attempts = []

    @router.post("/{name}", status_code=201)
    async def have_effect(name: str, on: dependency, response: Response, wait: float = 0) -> str:
        await run(on, INSERT, name, None)
        await asyncio.sleep(wait)
        response.headers["Location"] = f"/effects/{name}"
        return name

    @router.post("/{name}/refused-once")
    async def refuse_once(name: str, on: dependency) -> str:
        await run(on, INSERT, name, None)
        if next(refusals, False):
            raise Refused
        return name

    @router.post("/{name}/after-all")
    async def count_and_add(name: str, on: dependency) -> int:
        await run(on, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        [[count]] = await run(on, "SELECT count(*) FROM effects")
        await asyncio.sleep(0.02)
        await run(on, INSERT, name, count)
        return int(count)

    @router.post("/{name}/in-vain")
    async def lose(name: str, on: dependency) -> None:
        await run(on, INSERT, name, None)
        app.state.attempts.append(name)
        raise DatabaseConflict

    @router.get("/{name}")
    async def look(name: str) -> str:
        return name

    app.include_router(router)
    check(app)
    return app


@pytest.fixture
async def calling(
    routed: FastAPI, effects: Database, client_for: ClientFactory, state: State
) -> AsyncIterator[AsyncClient]:
    del routed, effects
    async with client_for(state) as client:
        yield client


async def run(on: AsyncSession | Transaction, sql: str, *values: object) -> list[Any]:
    if isinstance(on, Transaction):
        return await on.fetch(sql, values)
    result = await (await on.connection()).exec_driver_sql(sql, values)
    return list(result.all()) if result.returns_rows else []


async def execute(database: Database, statement: str, **values: object) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement), values)


async def counted(database: Database, table: str = "effects") -> int:
    async with database.reading() as session:
        count: int = await session.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - Ours.
        return count
