"""Statements for tests of what connections do, on each of the executors to the database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, cast

import asyncpg
import pytest
from sqlalchemy import Integer, String, bindparam, text
from sqlalchemy.pool import QueuePool

from chassis.database._pools import Database
from chassis.database._statements import Executor, Statement
from chassis.errors import ServiceError
from example.settings import Settings

type Block = Callable[[], AbstractAsyncContextManager[Executor]]
TIMEOUT = 1.0
TERMINATED = """
    SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def number(sql: str) -> Statement[int]:
    return Statement(int, text(sql).columns(number=Integer))


ONE = number("SELECT 1")
SLEEP = number("SELECT 1 FROM pg_sleep(60)")
BACKEND = number("SELECT pg_backend_pid()")
ASLEEP = number("""
    SELECT count(*)::int FROM pg_stat_activity
    WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()
""")
ADD = Statement(
    int,
    text("INSERT INTO rooms (id) VALUES (:id) RETURNING id")
    .bindparams(bindparam("id", type_=Integer))
    .columns(id=Integer),
)
ROOMS = number("SELECT id FROM rooms ORDER BY id")
LOCK = Statement(
    int,
    text("SELECT id FROM rooms WHERE id = :id FOR UPDATE")
    .bindparams(bindparam("id", type_=Integer))
    .columns(id=Integer),
)
ECHO = Statement(str, text("SELECT :value").bindparams(bindparam("value", type_=String)).columns(value=String))


class Taken(ServiceError):
    status = 409


@pytest.fixture
def patience() -> float:
    """Seconds for a statement, and for a wait for a connection."""
    return 20


@pytest.fixture
async def small(settings: Settings, patience: float) -> AsyncIterator[Database]:
    """Two connections; after each test they are both back, and work."""
    changed = {"pool_size": 2, "pool_timeout": patience, "statement_timeout": patience}
    async with Database.open(settings.database.model_copy(update=changed)) as database:
        yield database
        assert held(database) == 0
        assert await asyncio.gather(*(ONE.one(database.pool) for _ in range(5))) == [1] * 5
        async with database.transaction() as session:
            assert await ONE.one(session) == 1
        assert held(database) == 0


@pytest.fixture
async def patient(settings: Settings) -> AsyncIterator[Database]:
    changed = {"pool_size": 4, "statement_timeout": 50.0}
    async with Database.open(settings.database.model_copy(update=changed)) as database:
        yield database
        assert held(database) == 0


@pytest.fixture
async def rooms(migrated_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own, and a table in which a number may be once, or twice until the COMMIT."""
    connection = await asyncpg.connect(migrated_url)
    await connection.execute("""
        CREATE TABLE rooms (id int CONSTRAINT uq_rooms_id UNIQUE, floor int DEFAULT 0);
        CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    """)
    yield connection
    await connection.execute("DROP TABLE rooms, late")
    await connection.close()


def held(database: Database) -> int:
    return cast("QueuePool", database.engine.pool).checkedout()


def blocks(database: Database) -> dict[str, Block]:
    return {
        "transaction": database.pool.transaction,
        "session": database.transaction,
        "reading": database.reading,
        "driver": lambda: nullcontext(database.pool),
    }


EXECUTORS = ["driver", "transaction", "session", "reading"]


async def on(database: Database, kind: str, statement: Statement[Any], **values: Any) -> list[Any]:
    async with blocks(database)[kind]() as executor:
        return await statement.all(executor, **values)


async def idle(database: Database) -> object:
    """Return the connection that is the next to be taken."""
    pooled = await database.pool.take()
    connection: object = pooled.driver_connection
    pooled.close()
    return connection
