"""Both executors give the same answers, and values stay values."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel, create_model
from sqlalchemy import bindparam, insert, select, tuple_

from chassis.database._errors import Unstorable
from chassis.database._pools import Database
from chassis.database._statements import Executor, Statement, among
from example.main import State
from tests.database import every_type
from tests.database.every_type import COLUMNS, COMPARABLE, HOSTILE, VALUES, Everything, Mood, Size

EXECUTORS = ["driver", "transaction", "session", "reading"]
# Pydantic changes nothing: what is compared is what the executors give.
Row: type[BaseModel] = create_model("Row", id=(int, ...), **{each.key: (Any, ...) for each in COLUMNS})  # type: ignore[call-overload]  # mypy does not follow **.
WRITE = Statement(
    int, insert(Everything).values({each.key: bindparam(each.key) for each in COLUMNS}).returning(Everything.id)
)
READ = Statement(Row, select(Everything).where(Everything.id == bindparam("id")))
BY_VALUE = {
    name: Statement(int, select(Everything.id).where(getattr(Everything, name) == bindparam("value")))
    for name in COMPARABLE
}
BY_LIST = {
    name: Statement(int, select(Everything.id).where(among(getattr(Everything, name), "values"))) for name in COMPARABLE
}
drawn = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def database(state: State) -> AsyncIterator[Database]:
    async with every_type.tables(state["database"]):
        yield state["database"]


@asynccontextmanager
async def opened_executor(database: Database, name: str) -> AsyncIterator[Executor]:
    if name == "driver":
        yield database.pool
    else:
        blocks: dict[str, Any] = {
            "transaction": database.pool.transaction,
            "session": database.transaction,
            "reading": database.reading,
        }
        async with blocks[name]() as executor:
            yield executor


async def written(database: Database, row: dict[str, Any]) -> dict[str, int]:
    """Write the row on each executor, and as an object of a session."""
    ids = {}
    for name in EXECUTORS:
        async with opened_executor(database, name) as executor:
            ids[name] = await WRITE.one(executor, **row)
    async with database.transaction() as session:
        session.add(thing := Everything(**row))
        await session.flush()
        ids["object"] = thing.id
    return ids


async def read(database: Database, identifier: int) -> dict[str, str]:
    """Read the row on each executor, and as an object of a session, in a form that shows its types and decimals."""
    found = {}
    for name in EXECUTORS:
        async with opened_executor(database, name) as executor:
            row = await READ.one(executor, id=identifier)
        found[name] = repr([getattr(row, each.key) for each in COLUMNS])
    async with database.transaction() as session:
        thing = await session.get_one(Everything, identifier)
        found["object"] = repr([getattr(thing, each.key) for each in COLUMNS])
    return found


@drawn
@given(row=every_type.rows)
async def test_rows_are_the_same_whatever_wrote_and_whatever_read_them(database: Database, row: dict[str, Any]) -> None:
    answers = {
        (writer, reader): answer
        for writer, identifier in (await written(database, row)).items()
        for reader, answer in (await read(database, identifier)).items()
    }
    assert len(answers) == (len(EXECUTORS) + 1) ** 2
    assert answers == dict.fromkeys(answers, answers["object", "object"])


def values_of(name: str) -> SearchStrategy[tuple[str, list[Any]]]:
    return st.tuples(st.just(name), st.lists(VALUES[name], min_size=1, max_size=3))


@drawn
@given(compared=st.sampled_from(COMPARABLE).flatmap(values_of))
async def test_a_value_means_the_same_in_every_comparison(database: Database, compared: tuple[str, list[Any]]) -> None:
    name, values = compared
    column = getattr(Everything, name)
    async with database.transaction() as session:
        session.add_all([Everything(**{name: value}) for value in values])
        await session.flush()
        by_value = set(await session.scalars(select(Everything.id).where(column == values[0])))
        by_list = set(await session.scalars(select(Everything.id).where(column.in_(values))))
    for each in EXECUTORS:
        async with opened_executor(database, each) as executor:
            assert set(await BY_VALUE[name].all(executor, value=values[0])) == by_value
            assert set(await BY_LIST[name].all(executor, values=values)) == by_list
            assert await BY_LIST[name].all(executor, values=[]) == []


@pytest.mark.parametrize("value", HOSTILE)
async def test_hostile_text_is_nothing_but_text(database: Database, value: str) -> None:
    statement = Statement(str, select(Everything.body).where(Everything.body == bindparam("body")))
    names = Statement(list[str], select(Everything.names).where(among(Everything.body, "bodies")))
    row = dict.fromkeys(VALUES) | {"body": value, "names": [value]}
    for identifier in (await written(database, row)).values():
        assert identifier
    for each in EXECUTORS:
        async with opened_executor(database, each) as executor:
            assert await statement.all(executor, body=value) == [value] * 5
            assert await names.all(executor, bodies=[value, "another"]) == [[value]] * 5


@pytest.mark.parametrize("name", EXECUTORS)
@pytest.mark.parametrize("value", ["a\x00b", "\ud800"])
async def test_what_postgresql_cannot_store_is_the_client_s_error(database: Database, name: str, value: str) -> None:
    for row in (
        {"body": value},
        {"names": [value]},
        {"binary": {"a": value}} if value == "a\x00b" else {"name": value},
    ):
        with pytest.raises(Unstorable):
            async with opened_executor(database, name) as executor:
                await WRITE.one(executor, **dict.fromkeys(VALUES) | row)


PAGE = Statement(
    Row,
    select(Everything).order_by(Everything.number, Everything.id).limit(bindparam("limit")),
    mood=Everything.mood == bindparam("mood"),
    sizes=among(Everything.size, "sizes"),
    like=Everything.name.contains(bindparam("like"), autoescape=False),
    after=tuple_(Everything.number, Everything.id) > tuple_(bindparam("after"), bindparam("after_id")),
)


async def filled(database: Database) -> None:
    async with database.transaction() as session:
        for number, (mood, size, name) in enumerate(
            itertools.product([*Mood, None], [*Size, None], ["100 %", "a'b", None])
        ):
            session.add(Everything(number=number // 4, mood=mood, size=size, name=name))


@pytest.mark.parametrize("name", EXECUTORS)
async def test_each_combination_of_filters_gives_what_a_session_gives(database: Database, name: str) -> None:
    await filled(database)
    choices = itertools.product(
        [Mood.FINE, None], [[Size.LARGE], list(Size), [], None], ["a'", None], [None, 2], [0, 3, 99]
    )
    for mood, sizes, like, after, limit in choices:
        query = select(Everything.id).order_by(Everything.number, Everything.id).limit(limit)
        query = query.where(Everything.mood == mood) if mood else query
        query = query.where(Everything.size.in_(sizes)) if sizes is not None else query
        query = query.where(Everything.name.contains(like)) if like else query
        query = query.where(tuple_(Everything.number, Everything.id) > (after, 10)) if after else query
        async with database.transaction() as session:
            expected = list(await session.scalars(query))
        async with opened_executor(database, name) as executor:
            values = {"mood": mood, "sizes": sizes, "like": like, "after": after, "after_id": 10, "limit": limit}
            assert [row.id for row in await PAGE.all(executor, **values)] == expected  # type: ignore[attr-defined]  # Made above.


@pytest.mark.parametrize("name", EXECUTORS)
async def test_pages_follow_on_each_other(database: Database, name: str) -> None:
    await filled(database)
    seen: list[Any] = []
    cursor: dict[str, Any] = {"after": None, "after_id": None}
    async with opened_executor(database, name) as executor:
        while page := await PAGE.all(executor, mood=None, sizes=None, like=None, limit=5, **cursor):
            seen += page
            cursor = {"after": seen[-1].number, "after_id": seen[-1].id}
    assert len(seen) == len({row.id for row in seen}) == 27
    assert seen == sorted(seen, key=lambda row: (row.number, row.id))


async def test_a_session_s_own_changes_are_seen(database: Database) -> None:
    count = Statement(int, select(Everything.number).where(Everything.number == bindparam("number")))
    async with database.transaction() as session:
        session.add(Everything(number=7))
        assert await count.all(session, number=7) == [7]
        assert await count.all(database.pool, number=7) == []


async def test_statements_in_one_transaction_take_turns(database: Database) -> None:
    row = dict.fromkeys(VALUES)
    async with database.pool.transaction() as transaction:
        await asyncio.gather(*(WRITE.one(transaction, **row | {"number": number}) for number in range(10)))
        assert len(await BY_LIST["number"].all(transaction, values=range(10))) == 10
        assert await BY_LIST["number"].all(database.pool, values=range(10)) == []
