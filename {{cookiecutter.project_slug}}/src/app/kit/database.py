"""PostgreSQL: the engine and its pool, and what a route asks it with.

A route takes one of these. None takes a connection from the pool before its first statement.

    Reads             for compiled statements (kit/statements.py), each by itself: a sixth of what a session costs
    ReplicaReads      the same on the read replica, where there is one: what it returns may be a moment old
    Session           a transaction that commits before the response is sent: a failing commit is an error, not a 200
    ReadSession       reads without a transaction, which saves the round trips of BEGIN and ROLLBACK
    StreamingSession  a transaction that lasts until the response has been read; holds its connection for all that time
    IdempotentSession (kit/idempotency.py) as Session, for a request that a client or we ourselves may repeat
    IdempotentTransaction (there, too)     the same for compiled statements

What is wrong with the database leaves here as one of the errors of kit/database_errors.py.
"""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, cast

import asyncpg
import structlog
from fastapi import Depends, Request
from pydantic import Field, SecretStr, field_validator
from sqlalchemy import MetaData, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import QueuePool

from app.kit import connection_budget
from app.kit.database_errors import DatabaseUnavailable, translate, translated
from app.kit.driver import DriverPool
from app.kit.environment import SettingsGroup
from app.kit.errors import ServiceError
from app.kit.postgres_url import normalized

log = structlog.stdlib.get_logger("app.database")


class DatabaseSettings(SettingsGroup):
    url: SecretStr
    """`postgresql://user@host:5432/name`; `postgres://`, `postgresql+asyncpg://` and `?sslmode=` work too."""
    password: SecretStr | None = None
    """The password, if it does not stand in the URL. Best given as the file `/run/secrets/app_database__password`."""
    migration_url: SecretStr | None = None
    """Where migrations run, if `url` goes through a pooler. Default: `url`."""
    read_url: SecretStr | None = None
    """A read replica, for what may be a moment old; the password is the same. Default: `url`."""
    pgbouncer: bool = False
    """Whether `url` leads to a PgBouncer in transaction mode, or a pooler like it."""
    pool_size: int = Field(default=20, ge=1)
    """Connections that each worker may hold; there is no overflow."""
    replicas: int = Field(default=1, ge=1)
    """How many of this service share the database: a start warns if it has not enough connections for all."""
    pool_timeout: float = Field(default=1.0, gt=0)
    """How long a request waits for a connection before it is answered with 503, in seconds."""
    connect_timeout: float = Field(default=2.0, gt=0)
    """How long a new connection may take, in seconds."""
    statement_timeout: float = Field(default=5.0, gt=0)
    """How long one statement may take before it is cancelled, in seconds."""
    idempotency_expiry: int = Field(default=86_400, gt=0)
    """How long an answer is kept for a client that repeats its `Idempotency-Key`, in seconds."""

    @field_validator("url", "migration_url", "read_url")
    @classmethod
    def _normalized(cls, url: SecretStr) -> SecretStr:
        return SecretStr(normalized(url.get_secret_value()))

    def for_migrations(self) -> Self:
        """Return the settings of a connection that need not pass the pooler, and may take its time."""
        pooled = self.pgbouncer and self.migration_url is None
        values = {"url": self.migration_url or self.url, "pgbouncer": pooled, "statement_timeout": 0}
        return self.model_copy(update=values)


class Base(DeclarativeBase):
    # Constraints need names that migrations and error handling can refer to.
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
    """The pools of one worker. `open` makes them without connecting: a service starts while its database is down."""

    settings: DatabaseSettings
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    read_sessions: async_sessionmaker[AsyncSession]
    driver: DriverPool
    """The engine's pool without the session, for compiled statements."""
    replica: DriverPool
    """The same on the read replica, if there is one."""

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DatabaseSettings, *, workers: int = 1) -> AsyncIterator[Self]:
        """Make the pools of one of so many workers."""
        async with AsyncExitStack() as stack:
            engine = await stack.enter_async_context(_engine(settings, workers))
            replica = engine
            if settings.read_url:
                at_replica = settings.model_copy(update={"url": settings.read_url})
                replica = await stack.enter_async_context(_engine(at_replica, workers))
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
        """Read; nothing is held after the block, so that slow work behind it costs no connection."""
        with translated():
            async with self.read_sessions() as session:
                yield session

    async def state(self, *, within: float) -> Literal["ok", "busy", "unavailable"]:
        """One word for `/readyz`, after at most `within` seconds: ok, busy, or unavailable.

        A full pool is `busy` and no failure: the database works, and a replica that leaves the load balancer because
        it has much to do pushes its load onto the next.
        """
        pool = cast("QueuePool", self.engine.pool)
        if pool.checkedout() >= pool.size():
            return "busy"
        try:
            with translated():
                async with asyncio.timeout(within), self.engine.connect() as connection:
                    await connection.execute(text("SELECT 1"))
        except (ServiceError, TimeoutError):
            return "unavailable"
        return "ok"


@asynccontextmanager
async def _engine(settings: DatabaseSettings, workers: int) -> AsyncIterator[AsyncEngine]:
    pool = {"pool_size": settings.pool_size, "max_overflow": 0, "pool_timeout": settings.pool_timeout}
    engine = create_engine(settings, workers, **pool)
    try:
        yield engine
    finally:
        await engine.dispose()


def create_engine(settings: DatabaseSettings, workers: int = 0, **options: Any) -> AsyncEngine:
    """Make an engine that raises the errors of kit/database_errors.py."""
    arguments: dict[str, Any] = {"async_creator_fn": _Connect(settings, workers)}
    if settings.pgbouncer:
        # Unnamed statements leave nothing behind in a server's connection that another client gets next.
        arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args=arguments,
        hide_parameters=True,  # A statement's values may be personal or secret, and errors end in logs.
        **options,
    )
    event.listen(engine.sync_engine, "handle_error", translate)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that the server closed while it was idle: a ping that costs no round trip."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class _Connect:
    """Make the connections of a pool; the first one compares what all pools may hold with what the server has."""

    def __init__(self, settings: DatabaseSettings, workers: int) -> None:
        self.dsn = settings.url.get_secret_value()
        self.connections = 0 if settings.pgbouncer else workers * settings.pool_size * settings.replicas
        self.options: dict[str, Any] = {"timeout": settings.connect_timeout}
        if settings.password:
            self.options["password"] = settings.password.get_secret_value()
        patience = settings.statement_timeout
        if settings.pgbouncer:
            # PgBouncer refuses the server's own timeout at the start of a connection: ours has to do.
            self.options |= {"statement_cache_size": 0, "command_timeout": patience or None}
        else:
            self.options["server_settings"] = {"statement_timeout": f"{patience * 1000:.0f}"}

    def __call__(self) -> Self:
        # SQLAlchemy may drop what it gets without awaiting it, and a coroutine would complain.
        return self

    def __await__(self) -> Generator[Any, None, asyncpg.Connection]:
        return self._connected().__await__()

    async def _connected(self) -> asyncpg.Connection:
        try:
            connection = await asyncpg.connect(self.dsn, **self.options)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("database connection failed", error=f"{type(error).__name__}: {error}")
            raise DatabaseUnavailable from error
        wanted, self.connections = self.connections, 0
        if wanted:
            await connection_budget.warn(connection, wanted)
        return connection


# FastAPI would run what is not `async` in a thread.
async def _database(request: Request) -> Database:
    database: Database = request.state.database
    return database


async def _reads(request: Request) -> DriverPool:
    return cast("Database", request.state.database).driver


async def _replica_reads(request: Request) -> DriverPool:
    return cast("Database", request.state.database).replica


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with (await _database(request)).transaction() as session:
        yield session


async def _read_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with (await _database(request)).reading() as session:
        yield session


# With FastAPI's default scope a dependency ends, and the transaction commits, after the response has gone out.
Session = Annotated[AsyncSession, Depends(_session, scope="function")]
ReadSession = Annotated[AsyncSession, Depends(_read_session, scope="function")]
StreamingSession = Annotated[AsyncSession, Depends(_session, scope="request")]
Reads = Annotated[DriverPool, Depends(_reads)]
ReplicaReads = Annotated[DriverPool, Depends(_replica_reads)]
CurrentDatabase = Annotated[Database, Depends(_database)]
