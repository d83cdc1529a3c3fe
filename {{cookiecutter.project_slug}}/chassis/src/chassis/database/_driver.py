"""The executors of compiled statements (_statements.py): asyncpg's connections from the engine's pool.

Sessions take their connections from the same pool. The driver's errors become those of _errors.py.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, cast

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from chassis.database._errors import DatabaseUnavailable, translated, translated_driver
from chassis.database._sqlalchemy import idle_connection, invalidate


class Transaction:
    """Statements that commit together or not at all. The first one takes a connection and begins."""

    def __init__(self, pool: "DriverPool", stack: AsyncExitStack) -> None:
        self._pool = pool
        self._stack = stack
        self._turn = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None
        self.over = ""
        """Why this transaction takes no more statements; empty while it does."""

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
        """Run one statement. It holds a connection only while it runs."""
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
                if transaction.over:  # PostgreSQL would accept the COMMIT and roll back without an error.
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
        """Take a connection from the pool; wait for one, or connect, if none is idle."""
        if idle := idle_connection(self._engine):
            return idle
        with translated():
            return await self._engine.raw_connection()


async def _fetch(connection: asyncpg.Connection, sql: str, values: Sequence[Any]) -> list[asyncpg.Record]:
    with translated_driver(connection):
        records: list[asyncpg.Record] = await connection.fetch(sql, *values)
        return records


def _driver(pooled: PoolProxiedConnection) -> asyncpg.Connection:
    return cast("asyncpg.Connection", pooled.driver_connection)


async def _give_up(pooled: PoolProxiedConnection, error: BaseException, transaction: Any = None) -> None:
    """Roll back, and close the connection if it is lost or may still run a query."""
    sound = isinstance(error, Exception) and type(error) is not DatabaseUnavailable
    try:
        if transaction and sound:
            sound = False  # Until the rollback has succeeded.
            with suppress(Exception):
                await transaction.rollback()
                sound = True
    finally:
        if not sound:
            await invalidate(pooled)
