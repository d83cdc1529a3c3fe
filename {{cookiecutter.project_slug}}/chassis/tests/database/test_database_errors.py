"""Every shape in which the database fails, and what becomes of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Integer, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from chassis.database import Database, DatabaseSettings
from chassis.database._errors import (
    DatabaseConflict,
    DatabaseTimeout,
    DatabaseUnavailable,
    StillReferenced,
    Unstorable,
    violations,
)
from chassis.database._statements import Statement
from chassis.errors import ServiceError


async def execute(database: Database, *statements: str, **values: object) -> None:
    async with database.transaction() as session:
        for statement in statements:
            await session.execute(text(statement), values)


@pytest.fixture
async def one(migrated_url: str) -> AsyncIterator[Database]:
    """A database with a single connection, so that the next statement meets what the last one left."""
    settings = DatabaseSettings(url=SecretStr(migrated_url), statement_timeout=1.5, pool_size=1, pool_timeout=0.5)
    async with Database.open(settings) as database:
        yield database


@pytest.fixture
async def other(migrated_url: str) -> AsyncIterator[Database]:
    async with Database.open(DatabaseSettings(url=SecretStr(migrated_url))) as database:
        yield database


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT pg_sleep(60)", DatabaseTimeout),
        ("SELECT pg_terminate_backend(pg_backend_pid())", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", DatabaseConflict),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", DatabaseConflict),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '25006'; END $$", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '57P03'; END $$", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '08006'; END $$", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '58030'; END $$", DatabaseUnavailable),
        ("SELECT CAST('1' || repeat('0', 20) AS numeric)::int", Unstorable),
    ],
)
async def test_the_database_s_condition_is_translated(one: Database, statement: str, error: type[ServiceError]) -> None:
    with pytest.raises(error):
        await execute(one, statement)
    await execute(one, "SELECT 1")


@pytest.mark.parametrize("value", ["a\x00b", "\ud800"])
async def test_what_postgresql_cannot_store_is_the_client_s_error(database: Database, value: str) -> None:
    with pytest.raises(Unstorable):
        await execute(database, "SELECT CAST(:value AS text)", value=value)


async def test_a_number_out_of_range_is_the_client_s_error(database: Database) -> None:
    with pytest.raises(Unstorable):
        await execute(database, "SELECT CAST(:value AS int)", value=2**40)


async def test_a_mistake_in_a_statement_stays_what_it_is(database: Database) -> None:
    with pytest.raises(DBAPIError, match="does_not_exist") as error:
        await execute(database, "SELECT does_not_exist WHERE :secret = 'x'", secret="hunter2")  # noqa: S106 - No password.
    assert "hunter2" not in str(error.value)


async def test_a_connection_that_was_ended_while_idle_is_replaced(one: Database, other: Database) -> None:
    await execute(one, "SELECT 1")
    await execute(other, _TERMINATE)
    await asyncio.sleep(0.1)  # The end of the connection is on its way.
    await execute(one, "SELECT 1")


async def test_a_connection_that_is_ended_inside_a_transaction_is_replaced(one: Database, other: Database) -> None:
    async def transaction() -> None:
        async with one.transaction() as session:
            await session.execute(text("SELECT 1"))
            await execute(other, _TERMINATE)
            await session.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        await transaction()
    await execute(one, "SELECT 1")


async def test_a_connection_to_a_server_that_only_reads_is_replaced(one: Database) -> None:
    await execute(one, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")  # As after a failover.
    with pytest.raises(DatabaseUnavailable):
        await execute(one, "CREATE TABLE never (id int)")
    await execute(one, "CREATE TABLE once (id int)", "DROP TABLE once")


async def test_the_clients_own_timer_ends_a_statement_where_the_servers_does_not(migrated_url: str) -> None:
    """Behind PgBouncer the server's is off; in front of a frozen server it does not ring."""
    settings = DatabaseSettings(url=SecretStr(migrated_url), statement_timeout=0.8, pgbouncer=True, pool_size=1)
    async with Database.open(settings) as database, asyncio.timeout(30):
        for block in (database.transaction, database.reading):
            with pytest.raises(DatabaseTimeout):
                async with block() as session:
                    await session.execute(text("SELECT pg_sleep(60)"))
            await execute(database, "SELECT 1")


async def test_a_full_pool_is_an_unavailable_database(one: Database) -> None:
    async with one.transaction() as session:
        await session.execute(text("SELECT 1"))
        for block in (one.transaction, one.reading):
            with pytest.raises(DatabaseUnavailable, match="busy"):
                async with block() as waiting:
                    await waiting.execute(text("SELECT 1"))
        assert await one.state(within=1) == "busy"


async def test_a_table_that_a_migration_has_just_changed_is_a_conflict(one: Database, other: Database) -> None:
    await execute(other, "CREATE TABLE changing (a int)")
    await execute(one, "SELECT * FROM changing")
    await execute(other, "ALTER TABLE changing ADD COLUMN b int")
    with pytest.raises(DatabaseConflict):
        await execute(one, "SELECT * FROM changing")
    await execute(one, "SELECT * FROM changing")
    await execute(other, "DROP TABLE changing")


async def test_another_ones_oserror_is_not_the_databases(one: Database) -> None:
    async def call_an_upstream(error: type[OSError]) -> None:
        async with one.transaction() as session:
            await session.execute(text("SELECT 1"))
            raise error

    for error in (ConnectionResetError, TimeoutError):
        with pytest.raises(error):
            await call_an_upstream(error)


async def test_of_a_deadlock_one_loses(other: Database) -> None:
    await execute(other, "CREATE TABLE locked (id int PRIMARY KEY)", "INSERT INTO locked VALUES (1), (2)")
    both, lock_row = asyncio.Barrier(2), text("SELECT FROM locked WHERE id = :id FOR UPDATE")

    async def lock(first: int, second: int) -> None:
        async with other.transaction() as session:
            await session.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            await session.execute(lock_row, {"id": first})
            await both.wait()
            await session.execute(lock_row, {"id": second})

    outcomes = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["DatabaseConflict", "NoneType"]
    await execute(other, "DROP TABLE locked")


class Taken(ServiceError):
    status = 409


@pytest.mark.parametrize(
    ("constraint", "row"),
    [
        ("uq_room_name", "(2, 'a', NULL, 1, '[5,6)')"),
        ("fk_room_house", "(2, 'b', 7, 1, '[5,6)')"),
        ("ck_room_size", "(2, 'b', NULL, -1, '[5,6)')"),
        ("ex_room_during", "(2, 'b', NULL, 1, '[1,3)')"),
    ],
)
async def test_a_violated_constraint_is_the_features_error(database: Database, constraint: str, row: str) -> None:
    await execute(database, _ROOM, "INSERT INTO room VALUES (1, 'a', NULL, 1, '[1,2)')")
    insert = f"INSERT INTO room VALUES {row}"  # noqa: S608 - From above.
    with pytest.raises(Taken, match=constraint), violations(**{constraint: Taken(constraint)}):
        await execute(database, insert)
    with pytest.raises(IntegrityError), violations(uq_other=Taken()):
        await execute(database, insert)


@pytest.mark.parametrize("rule", ["", "ON DELETE RESTRICT"])
async def test_what_others_refer_to_is_not_deleted(database: Database, rule: str) -> None:
    flat = f"CREATE TABLE flat (house int REFERENCES house {rule})"
    tables = ("CREATE TABLE house (id int PRIMARY KEY)", flat)
    await execute(database, *tables, "INSERT INTO house VALUES (1)", "INSERT INTO flat VALUES (1)")
    remove = text("DELETE FROM house RETURNING id").columns(id=Integer)
    for on in (database.transaction, database.pool.transaction):
        with pytest.raises(StillReferenced):
            async with on() as executor:
                await Statement(int, remove).all(executor)
    with pytest.raises(IntegrityError):
        await execute(database, "UPDATE house SET id = 2")


_TERMINATE = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_ROOM = """
    CREATE TABLE room (
        id int PRIMARY KEY,
        name text CONSTRAINT uq_room_name UNIQUE,
        house int CONSTRAINT fk_room_house REFERENCES room,
        size int CONSTRAINT ck_room_size CHECK (size > 0),
        during int4range,
        CONSTRAINT ex_room_during EXCLUDE USING gist (during WITH &&)
    )
"""
