"""Connections out of the engine's pool: who holds one, what faults mean, and that each comes back."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import String, bindparam, text

from chassis.database._errors import DatabaseConflict, DatabaseTimeout, DatabaseUnavailable, Unstorable, violations
from chassis.database._pools import Database
from chassis.database._statements import Statement
from example.settings import Settings
from tests.database.executors import (
    ADD,
    ASLEEP,
    BACKEND,
    ECHO,
    EXECUTORS,
    ONE,
    ROOMS,
    SLEEP,
    TERMINATED,
    TIMEOUT,
    Taken,
    held,
    idle,
    on,
)


async def test_a_connection_is_held_for_a_statement_and_no_longer(small: Database) -> None:
    assert await ONE.one(small.pool) == 1
    assert held(small) == 0
    async with small.pool.transaction() as transaction:
        assert held(small) == 0
        assert await BACKEND.one(transaction) == await BACKEND.one(transaction)
        assert held(small) == 1
    assert held(small) == 0


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_cancelled_statement_ends_in_postgresql_too(patient: Database, executor: str) -> None:
    before = await idle(patient)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await on(patient, executor, SLEEP)
    assert held(patient) == 0
    assert await idle(patient) is not before
    async with asyncio.timeout(30):
        while await ASLEEP.one(patient.pool):
            await asyncio.sleep(0.01)
    assert [await ONE.one(patient.pool) for _ in range(5)] == [1] * 5


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_connections_that_ended_while_idle_are_noticed_before_they_are_used(
    small: Database, rooms: asyncpg.Connection, executor: str
) -> None:
    for _ in range(3):
        await asyncio.gather(*(ONE.one(small.pool) for _ in range(2)))
        await rooms.execute(TERMINATED)
        await asyncio.sleep(0.05)  # The event loop sees the end of its sockets.
        assert await asyncio.gather(*(on(small, executor, ONE) for _ in range(4))) == [[1]] * 4


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_connection_that_ends_at_work_is_an_unavailable_database(
    patient: Database, rooms: asyncpg.Connection, executor: str
) -> None:
    working = asyncio.create_task(on(patient, executor, SLEEP))
    while not await ASLEEP.one(patient.pool):
        await asyncio.sleep(0.01)
    await rooms.execute(TERMINATED)
    with pytest.raises(DatabaseUnavailable):
        await working
    await asyncio.sleep(0.05)  # The event loop sees the end of the other socket.
    assert await on(patient, executor, ONE) == [1]


@pytest.mark.parametrize("patience", [TIMEOUT])
@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_statement_has_its_time(small: Database, executor: str) -> None:
    with pytest.raises(DatabaseTimeout):
        await on(small, executor, SLEEP)


@pytest.mark.parametrize("patience", [TIMEOUT])
@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_full_pool_is_an_unavailable_database(small: Database, executor: str) -> None:
    async with small.pool.transaction() as first, small.transaction() as second:
        await ONE.one(first)
        await ONE.one(second)
        with pytest.raises(DatabaseUnavailable, match="busy"):
            async with asyncio.timeout(20 * TIMEOUT):
                await on(small, executor, ONE)


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_server_that_cannot_be_reached_is_an_unavailable_database(settings: Settings, executor: str) -> None:
    nowhere = settings.database.model_validate({"url": "postgresql://nobody@127.0.0.1:1/nothing"})
    async with Database.open(nowhere) as small:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await on(small, executor, ONE)
        assert held(small) == 0


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_violated_constraint_is_the_features_error(
    small: Database, rooms: asyncpg.Connection, executor: str
) -> None:
    await rooms.execute("INSERT INTO rooms VALUES (1)")
    with pytest.raises(Taken), violations(uq_rooms_id=Taken()):
        await on(small, executor, ADD, id=1)
    assert await ROOMS.all(small.pool) == [1]


async def test_more_tasks_than_connections_each_have_their_own_answer(settings: Settings) -> None:
    """Behind PgBouncer, too, where a connection's next message may go to another server."""
    changed = settings.database.model_copy(update={"pool_size": 16, "pool_timeout": 20})
    echoes = [
        Statement(
            str, text(f"SELECT :value || '{suffix}'").bindparams(bindparam("value", type_=String)).columns(v=String)
        )
        for suffix in "abcdefgh"
    ]
    async with Database.open(changed) as small:

        async def ask(task: int) -> None:
            for turn in range(25):
                index = (task + turn) % len(echoes)
                executor = EXECUTORS[turn % len(EXECUTORS)]
                assert await on(small, executor, echoes[index], value=f"{task}-") == [f"{task}-{'abcdefgh'[index]}"]

        await asyncio.gather(*(ask(task) for task in range(64)))
        assert held(small) == 0
        assert await BACKEND.one(small.pool)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("change", "conflicts"), [("ADD COLUMN size int", 0), ("DROP COLUMN floor", 0), ("ALTER COLUMN id TYPE bigint", 2)]
)
async def test_a_migration_under_prepared_statements(
    small: Database, rooms: asyncpg.Connection, executor: str, change: str, conflicts: int
) -> None:
    """It costs something only where a column's type changes, inside a transaction: once for each connection."""
    await rooms.execute("INSERT INTO rooms VALUES (1)")
    await asyncio.gather(*(on(small, executor, ROOMS) for _ in range(4)))
    await rooms.execute(f"ALTER TABLE rooms {change}")
    found: list[Any] = []
    for _ in range(4):
        try:
            found.append(await on(small, executor, ROOMS))
        except DatabaseConflict:
            found.append("conflict")
    allowed = 0 if executor == "driver" else conflicts
    assert found.count("conflict") <= allowed
    assert found.count([1]) == 4 - found.count("conflict")
    assert found[3] == [1]


async def test_a_value_that_cannot_be_stored_leaves_the_connection_alone(small: Database) -> None:
    pid = await BACKEND.one(small.pool)
    for executor in EXECUTORS:
        with pytest.raises(Unstorable):
            await on(small, executor, ECHO, value="a\x00b")
    assert pid in {await BACKEND.one(small.pool) for _ in range(2)}
