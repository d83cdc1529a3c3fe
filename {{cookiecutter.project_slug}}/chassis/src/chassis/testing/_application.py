"""The application of a test: its real lifespan, its real database, and clients of it."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any, cast, override

import pytest
import structlog
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, async_sessionmaker
from sqlalchemy.pool import PoolProxiedConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.database import Database, DriverPool
from chassis.testing._database import empty

type ClientFactory = Callable[[Any], AsyncClient]
"""Makes a client of the application with a state: what its lifespan yields, a TypedDict of the service's own."""


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Undo what an application does to the process: its handler writes to the standard output of this test alone."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
async def state(app: FastAPI) -> AsyncIterator[Any]:
    """What the real lifespan opened. Its database commits: a test that writes through it asks for `committed`."""
    async with opened(app) as state:
        yield state


@pytest.fixture
async def database(state: Any) -> AsyncIterator[Database]:
    """The application's database, on one connection whose transaction is rolled back after the test."""
    engine = state["database"].engine
    async with engine.connect() as connection:
        transaction = await connection.begin()
        sessions = async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        await connection.execute(text("SELECT 1"))  # Only now has the transaction begun.
        driver = OneConnection(connection)
        yield Database(state["database"].settings, engine, sessions, sessions, driver, driver)
        await transaction.rollback()


class OneConnection(DriverPool):
    """Statements run on the connection of the test, too."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection.engine)
        self.connection = connection

    @override
    async def take(self) -> PoolProxiedConnection:
        pooled = await self.connection.get_raw_connection()
        return cast("PoolProxiedConnection", SimpleNamespace(driver_connection=pooled.driver_connection, close=bool))


@pytest.fixture
async def committed(state: Any, migrated_url: str) -> AsyncIterator[Any]:
    """The real pools, for tests that need several transactions. The tables are emptied after the test."""
    yield state
    await empty(migrated_url)


@pytest.fixture
def client_for(app: FastAPI) -> ClientFactory:
    """Make a client of the application with this state. Exceptions become a 500, as for a user."""

    def make(state: Any) -> AsyncClient:
        transport = ASGITransport(with_state(app, state), raise_app_exceptions=False)
        return AsyncClient(transport=transport, base_url="http://test")

    return make


@pytest.fixture
async def client(client_for: ClientFactory, state: Any, database: Database) -> AsyncIterator[AsyncClient]:
    async with client_for({**state, "database": database}) as client:
        yield client


@pytest.fixture
async def committing_client(client_for: ClientFactory, committed: Any) -> AsyncIterator[AsyncClient]:
    async with client_for(committed) as client:
        yield client


def opened(app: FastAPI) -> AbstractAsyncContextManager[Any]:
    """Run the lifespan of `app`, as a server does."""
    return cast("AbstractAsyncContextManager[Any]", app.router.lifespan_context(app))


def with_state(app: ASGIApp, state: Any) -> ASGIApp:
    """Give each request its own copy of the lifespan's state, as a server does."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return wrapped
