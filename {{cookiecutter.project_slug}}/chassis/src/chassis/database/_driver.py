"""asyncpg's connections out of the engine's pool, for compiled statements (_statements.py).

There is one pool and one budget for both executors: the session takes its connections from the same. What the driver raises
leaves here as one of the errors of _errors.py.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, cast

import asyncpg
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.util import greenlet_spawn

from chassis.database._errors import DatabaseUnavailable, translated, translated_driver


class Transaction:
    """Statements that take effect together or not at all; the first one takes the connection and begins."""

    def __init__(self, pool: "DriverPool", stack: AsyncExitStack) -> None:
        self._pool = pool
        self._stack = stack
        self._turn = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None
        self.over = ""
        """Why there can be no more statements."""

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[asyncpg.Record]:
        async with self._turn:
            if self.over:
                raise RuntimeError(self.over)
            try:
                if self._connection is None:
                    self._connection = await self._stack.enter_async_context(self._pool.begun())
                return await _fetch(self._connection, sql, values)
            except BaseException:
                self.over = "a statement of this transaction failed: it is rolled back"
                raise


class DriverPool:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[asyncpg.Record]:
        """Run a statement by itself. No connection is held before or after it."""
        pooled = await self.take()
        try:
            return await _fetch(_driver(pooled), sql, values)
        except BaseException as error:
            await _give_up(pooled, error)
            raise
        finally:
            pooled.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit at the end, roll back on any exception."""
        async with AsyncExitStack() as stack:
            transaction = Transaction(self, stack)
            try:
                yield transaction
                if transaction.over:  # PostgreSQL would take the COMMIT, and roll back without a word.
                    raise RuntimeError(transaction.over)
            finally:
                transaction.over = transaction.over or "this transaction has ended"

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[asyncpg.Connection]:
        pooled = await self.take()
        connection = _driver(pooled)
        transaction = connection.transaction()
        try:
            with translated_driver(connection):
                await transaction.start()
            yield connection
            with translated_driver(connection):
                await transaction.commit()
        except BaseException as error:
            await _give_up(pooled, error, transaction)
            raise
        finally:
            pooled.close()

    async def take(self) -> PoolProxiedConnection:
        """Take a connection out of the pool: an idle one at once, or else as the session does."""
        if cast("QueuePool", self._engine.pool).checkedin():
            # An idle one that was found broken is made anew, which takes a greenlet and a while.
            with suppress(MissingGreenlet):
                return self._engine.sync_engine.raw_connection()
        with translated():
            return await self._engine.raw_connection()


async def _fetch(connection: asyncpg.Connection, sql: str, values: Sequence[Any]) -> list[asyncpg.Record]:
    with translated_driver(connection):
        records: list[asyncpg.Record] = await connection.fetch(sql, *values)
        return records


def _driver(pooled: PoolProxiedConnection) -> asyncpg.Connection:
    return cast("asyncpg.Connection", pooled.driver_connection)


async def _give_up(pooled: PoolProxiedConnection, error: BaseException, transaction: Any = None) -> None:
    """Roll back, and close a connection that nobody can use again: a lost one, or one that may still be at work."""
    sound = isinstance(error, Exception) and type(error) is not DatabaseUnavailable
    try:
        if transaction and sound:
            sound = False  # Unless it is rolled back: its BEGIN or COMMIT may have failed, or this does.
            with suppress(Exception):
                await transaction.rollback()
                sound = True
    finally:
        if not sound:
            await greenlet_spawn(pooled.invalidate)  # It cancels the query, too.
