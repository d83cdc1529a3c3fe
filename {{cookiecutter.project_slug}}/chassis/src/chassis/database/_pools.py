"""The engine, its pools, and the dependencies of routes: see the package's docstring."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, cast

import asyncpg
import structlog
from fastapi import Depends, Request
from sqlalchemy import MetaData, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import QueuePool

from chassis.database import _first_connection
from chassis.database._driver import DriverPool
from chassis.database._errors import DatabaseUnavailable, translate, translated
from chassis.database._settings import DatabaseSettings
from chassis.database._sqlalchemy import Connector
from chassis.errors import ServiceError

log = structlog.stdlib.get_logger("chassis.database")


class Base(DeclarativeBase):
    # Migrations and `violations` refer to constraints by these names.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


@dataclass(frozen=True)
class Database:
    """The pools of one worker. `open` does not connect, so a service starts while its database is down."""

    settings: DatabaseSettings
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    read_sessions: async_sessionmaker[AsyncSession]
    pool: DriverPool
    """The engine's pool, for compiled statements without a session."""
    replica_pool: DriverPool
    """The same on the read replica, or `pool` if there is none."""

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DatabaseSettings, *, workers: int = 1) -> AsyncIterator[Self]:
        """Make the pools of one worker; `workers` is how many there are, for the check of the connections."""
        async with AsyncExitStack() as stack:
            engine = replica = _engine(stack, settings, workers)
            if settings.read_url:
                replica = _engine(stack, settings.model_copy(update={"url": settings.read_url}), workers)
            sessions = async_sessionmaker(engine, expire_on_commit=False)
            autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
            read_sessions = async_sessionmaker(autocommit, autoflush=False)
            yield cls(settings, engine, sessions, read_sessions, DriverPool(engine), DriverPool(replica))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commit at the end, roll back on any exception."""
        with translated():
            async with self.sessions.begin() as session:
                yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Read without a transaction. The block's end returns the connection, so slow code after it holds none."""
        with translated():
            async with self.read_sessions() as session:
                yield session

    async def state(self, *, within: float) -> Literal["ok", "busy", "unavailable"]:
        """Return the database's state for `/readyz`, after at most `within` seconds.

        A full pool is `busy`, which keeps the service ready: if a busy replica left the load balancer, the others would
        get its load.
        """
        pool = cast("QueuePool", self.engine.pool)
        if pool.checkedout() >= pool.size():
            return "busy"
        try:
            async with asyncio.timeout(within), self.reading() as session:
                await session.execute(text("SELECT 1"))
        except (ServiceError, TimeoutError):
            return "unavailable"
        return "ok"


def _engine(stack: AsyncExitStack, settings: DatabaseSettings, workers: int) -> AsyncEngine:
    pool = {"pool_size": settings.pool_size, "max_overflow": 0, "pool_timeout": settings.pool_timeout}
    engine = create_engine(settings, workers, **pool)
    stack.push_async_callback(engine.dispose)
    return engine


def create_engine(settings: DatabaseSettings, workers: int = 0, **options: Any) -> AsyncEngine:
    """Make an engine that raises the errors of _errors.py. `workers` is 0 where nothing compares the connections."""
    arguments: dict[str, Any] = {"async_creator_fn": Connector(_Connections(settings, workers).connect)}
    if settings.pgbouncer:
        # Unnamed statements leave nothing behind in a server connection, which another client gets next.
        arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args=arguments,
        hide_parameters=True,  # A statement's values may be personal or secret, and errors are logged.
        **options,
    )
    event.listen(engine.sync_engine, "handle_error", translate)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that the server has closed. Unlike a ping, this costs no round trip."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class _Connections:
    """Connects for a pool. The first connection logs what an operator should change."""

    def __init__(self, settings: DatabaseSettings, workers: int) -> None:
        self.dsn = settings.url.get_secret_value()
        self.wanted: int | None = 0 if settings.pgbouncer else workers * settings.pool_size * settings.replicas
        self.options: dict[str, Any] = {"timeout": settings.connect_timeout}
        if settings.password:
            self.options["password"] = settings.password.get_secret_value()
        if settings.pgbouncer:
            # PgBouncer rejects the server's own timeout when a connection starts, so asyncpg has one.
            self.options |= {"statement_cache_size": 0, "command_timeout": settings.statement_timeout or None}
        else:
            self.options["server_settings"] = {"statement_timeout": f"{settings.statement_timeout * 1000:.0f}"}

    async def connect(self) -> asyncpg.Connection:
        try:
            connection = await asyncpg.connect(self.dsn, **self.options)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("database connection failed", error=f"{type(error).__name__}: {error}")
            raise DatabaseUnavailable from error
        wanted, self.wanted = self.wanted, None
        if wanted is not None:
            await _first_connection.warn(connection, wanted)
        return connection


# All are `async`, because FastAPI runs other functions in a thread.
async def _database(request: Request) -> Database:
    database: Database = request.state.database
    return database


async def _pool(request: Request) -> DriverPool:
    return cast("Database", request.state.database).pool


async def _replica_pool(request: Request) -> DriverPool:
    return cast("Database", request.state.database).replica_pool


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with (await _database(request)).transaction() as session:
        yield session


async def _read_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with (await _database(request)).reading() as session:
        yield session


# With FastAPI's default scope the transaction would commit after the response has been sent.
Session = Annotated[AsyncSession, Depends(_session, scope="function")]
ReadSession = Annotated[AsyncSession, Depends(_read_session, scope="function")]
StreamingSession = Annotated[AsyncSession, Depends(_session, scope="request")]
Pool = Annotated[DriverPool, Depends(_pool)]
ReplicaPool = Annotated[DriverPool, Depends(_replica_pool)]
CurrentDatabase = Annotated[Database, Depends(_database)]
