"""Transactions of statements: they take effect at their end, or not at all, and say which."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from chassis.database._errors import DatabaseConflict, DatabaseUnavailable
from chassis.database._pools import Database
from chassis.database._statements import Executor
from tests.database.executors import (
    ADD,
    LOCK,
    ONE,
    ROOMS,
    SLEEP,
    Taken,
    held,
    idle,
    number,
)


async def test_of_a_deadlock_one_loses(patient: Database, rooms: asyncpg.Connection) -> None:
    await rooms.execute("INSERT INTO rooms VALUES (1), (2)")
    both = asyncio.Barrier(2)

    async def lock(first: int, second: int) -> None:
        async with patient.pool.transaction() as transaction:
            await LOCK.one(transaction, id=first)
            await both.wait()
            await LOCK.one(transaction, id=second)

    outcomes = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["DatabaseConflict", "NoneType"]


async def test_a_transaction_takes_effect_at_its_end(small: Database, rooms: asyncpg.Connection) -> None:
    async with small.pool.transaction() as transaction:
        await ADD.one(transaction, id=1)
        await ADD.one(transaction, id=2)
        assert await rooms.fetch("SELECT * FROM rooms") == []
    assert await ROOMS.all(small.pool) == [1, 2]
    with pytest.raises(RuntimeError, match="has ended"):
        await ADD.one(transaction, id=3)


@pytest.mark.parametrize("error", [ValueError, ConnectionResetError, TimeoutError, DatabaseUnavailable, Taken])
async def test_an_exception_rolls_back_and_stays_what_it_is(
    small: Database, rooms: asyncpg.Connection, error: type[Exception]
) -> None:
    async def fail() -> None:
        async with small.pool.transaction() as transaction:
            await ADD.one(transaction, id=1)
            raise error

    with pytest.raises(error) as raised:
        await fail()
    assert raised.type is error
    assert await rooms.fetch("SELECT * FROM rooms") == []


async def test_a_cancelled_transaction_rolls_back(small: Database, rooms: asyncpg.Connection) -> None:
    async def wait(transaction: Executor, *, asleep: bool) -> None:
        await ADD.one(transaction, id=1)
        if asleep:
            await SLEEP.one(transaction)
        await asyncio.Event().wait()

    for asleep in (False, True):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), small.pool.transaction() as transaction:
                await wait(transaction, asleep=asleep)
        assert held(small) == 0
        assert await rooms.fetch("SELECT * FROM rooms") == []


async def test_a_failed_statement_cannot_be_followed_by_success(small: Database, rooms: asyncpg.Connection) -> None:
    """PostgreSQL answers a COMMIT after an error with ROLLBACK, and no error."""

    async def go_on(then: Callable[[], Any]) -> None:
        async with small.pool.transaction() as transaction:
            await ADD.one(transaction, id=1)
            with pytest.raises(asyncpg.UniqueViolationError):
                await ADD.one(transaction, id=1)
            await then()

    for then in (lambda: asyncio.sleep(0), lambda: ONE.one(small.pool)):
        with pytest.raises(RuntimeError, match="failed"):
            await go_on(then)
    assert await rooms.fetch("SELECT * FROM rooms") == []


async def test_a_failing_commit_is_an_error(small: Database, rooms: asyncpg.Connection) -> None:
    twice = number("INSERT INTO late VALUES (1), (1) RETURNING id")
    with pytest.raises(asyncpg.UniqueViolationError):
        async with small.pool.transaction() as transaction:
            assert await twice.all(transaction) == [1, 1]
    assert await rooms.fetch("SELECT * FROM late") == []


async def test_a_commit_that_loses_its_connection_or_its_race_says_so(
    patient: Database, rooms: asyncpg.Connection
) -> None:
    conflict = "RAISE SQLSTATE '40001'"
    for what, error in (
        (conflict, DatabaseConflict),
        ("PERFORM pg_terminate_backend(pg_backend_pid())", DatabaseUnavailable),
    ):
        await rooms.execute(f"""
            CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$;
            DROP TRIGGER IF EXISTS fail ON rooms;
            CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON rooms
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
        """)
        for _ in range(3):
            with pytest.raises(error) as raised:
                async with patient.pool.transaction() as transaction:
                    await ADD.one(transaction, id=1)
            assert raised.type is error
            assert held(patient) == 0
    assert await ROOMS.all(patient.pool) == []
    await rooms.execute("DROP FUNCTION fail CASCADE")


async def test_what_was_open_never_reaches_the_next(small: Database, rooms: asyncpg.Connection) -> None:
    """However a transaction ends, the pool's connections are outside of one afterwards."""
    for delay in range(40):
        try:
            async with asyncio.timeout(delay / 10_000), small.pool.transaction() as transaction:
                await ADD.one(transaction, id=1)
                await ADD.one(transaction, id=1)
        except (TimeoutError, asyncpg.UniqueViolationError, RuntimeError):
            pass
        transactions = number("SELECT (pg_current_xact_id()::text::bigint % 2000000000)::int")
        assert await transactions.one(small.pool) != await transactions.one(small.pool)
    assert await rooms.fetch("SELECT * FROM rooms") == []


async def test_a_rollback_that_is_cut_off_costs_the_connection(small: Database, rooms: asyncpg.Connection) -> None:
    """It may still be in its transaction, which the next one must not be in."""
    assert rooms
    before = await idle(small)

    async def fail() -> None:
        async with small.pool.transaction() as transaction:
            await ADD.one(transaction, id=1)
            asyncio.get_running_loop().call_soon(task.cancel)
            raise ValueError

    task = asyncio.create_task(fail())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await idle(small) is not before
