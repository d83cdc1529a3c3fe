"""Each test has the whole application on a real PostgreSQL, and leaves no row behind."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import cast, override

import asyncpg
import pytest
import structlog
from alembic import command
from alembic.config import Config
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, async_sessionmaker
from sqlalchemy.pool import PoolProxiedConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.kit.database import Base, Database, DatabaseSettings
from app.kit.driver import DriverPool
from app.lifespan import State
from app.main import create_app
from app.settings import Settings

pytest_plugins = [
    "tests.kit.effects",
    "tests.kit.roads",
    "tests.kit.upstreams",
    "tests.postgres",
    "tests.rates_api",
]

# This machine may be busy. Where the environment says CI, the examples are the same each time.
hypothesis_settings.register_profile("service", hypothesis_settings.default, deadline=None)
hypothesis_settings.load_profile("service")

ROOT = Path(__file__).parents[1]
PGBOUNCER = "TEST_PGBOUNCER"


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Take away what the developer's environment says to a service, or to git."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("APP_", "GIT_AUTHOR_", "GIT_COMMITTER_"))]:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Undo what `create_app` does to the process: its handler writes to the standard output of this test alone."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def migrated_url(database_url: str) -> str:
    """The URL of this test worker's own database, with the real migrations applied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APP_DATABASE__URL", database_url)
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
    return database_url


def pooled(url: str) -> str:
    """Return the way through the PgBouncer whose host:port the environment names, if it does."""
    if PGBOUNCER not in os.environ:
        return url
    host, _, port = os.environ[PGBOUNCER].partition(":")
    through = make_url(url).set(host=host, port=int(port), query={})
    return through.render_as_string(hide_password=False)


@pytest.fixture
def emptied_url(migrated_url: str) -> Iterator[str]:
    """The database for another process, which commits; the tables are emptied after the test."""
    yield migrated_url
    asyncio.run(_empty(migrated_url))


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    for table in Base.metadata.tables:
        await connection.execute(f'TRUNCATE "{table}" CASCADE')
    await connection.close()


@pytest.fixture
def settings(migrated_url: str) -> Settings:
    return Settings(
        environment="development",
        database=DatabaseSettings(
            url=SecretStr(pooled(migrated_url)),
            pgbouncer=PGBOUNCER in os.environ,
            pool_size=5,
            connect_timeout=10,  # This machine may be busy.
        ),
    )


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
async def state(app: FastAPI) -> AsyncIterator[State]:
    """What the real lifespan opened. Its database commits: a test that writes through it asks for `committed`."""
    async with opened(app) as state:
        yield state


@pytest.fixture
async def database(state: State) -> AsyncIterator[Database]:
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
async def committed(state: State, migrated_url: str) -> AsyncIterator[State]:
    """The pools themselves, for what one transaction cannot show; the tables are emptied after the test."""
    yield state
    await _empty(migrated_url)


type ClientFactory = Callable[[State], AsyncClient]


@pytest.fixture
def client_for(app: FastAPI) -> ClientFactory:
    """Make a client of the application with this state. Exceptions become the 500 that a user would see."""

    def make(state: State) -> AsyncClient:
        transport = ASGITransport(with_state(app, state), raise_app_exceptions=False)
        return AsyncClient(transport=transport, base_url="http://test")

    return make


@pytest.fixture
async def client(client_for: ClientFactory, state: State, database: Database) -> AsyncIterator[AsyncClient]:
    async with client_for(State(**{**state, "database": database})) as client:
        yield client


@pytest.fixture
async def committing_client(client_for: ClientFactory, committed: State) -> AsyncIterator[AsyncClient]:
    async with client_for(committed) as client:
        yield client


def opened(app: FastAPI) -> AbstractAsyncContextManager[State]:
    """Run the lifespan of `app`, as a server does."""
    return cast("AbstractAsyncContextManager[State]", app.router.lifespan_context(app))


def with_state(app: ASGIApp, state: State) -> ASGIApp:
    """Do what a server does with what the lifespan yielded: hand each request its own copy."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return wrapped
