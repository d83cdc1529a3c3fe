"""What a statement is when its module is imported: its text, its defaults, and the mistakes that are found then."""

import itertools
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import (
    ColumnElement,
    Integer,
    MetaData,
    String,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database._driver import DriverPool
from chassis.database._pools import Database
from chassis.database._sqlalchemy import Query
from chassis.database._statements import Statement, among

numbers = itertools.count(1)


class Local(DeclarativeBase):
    metadata = MetaData()


class Thing(Local):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True, default=lambda: next(numbers))
    kind: Mapped[str] = mapped_column(String(20), default="plain")
    price: Mapped[Decimal] = mapped_column(server_default="1.50")
    changes: Mapped[int] = mapped_column(default=0, onupdate=lambda: next(numbers))
    touched: Mapped[str | None] = mapped_column(onupdate="touched")
    seen: Mapped[int | None] = mapped_column(onupdate=literal_column("42"))


class ThingRow(BaseModel):
    id: int
    kind: str
    price: Decimal
    changes: int
    touched: str | None
    seen: int | None


class Owner(Local):
    __tablename__ = "owners"

    id: Mapped[int] = mapped_column(primary_key=True)


class Named(BaseModel):
    id: int


class Short(BaseModel):
    identifier: int = Field(alias="id")
    kind: str = Field(alias="theKind")
    more: str = "a default"


ADD = Statement(ThingRow, insert(Thing).returning(Thing).values(price=bindparam("price")))
CHANGE = Statement(
    ThingRow,
    update(Thing).values(kind=bindparam("to")).where(Thing.id == bindparam("id")).returning(Thing),
    kind=Thing.kind == bindparam("kind"),
)
KINDS = Statement(str, select(Thing.kind).where(Thing.kind.in_(["plain", "fancy", "odd"])).order_by(Thing.id))
REMOVE = Statement(int, delete(Thing).where(Thing.id == bindparam("id")).returning(Thing.id))


@pytest.fixture
async def database(database: Database) -> Database:
    """In the transaction of the test."""
    async with database.transaction() as session:
        await (await session.connection()).run_sync(Local.metadata.create_all)
    return database


@pytest.fixture(params=["driver", "session"])
async def on(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Any]:
    if request.param == "driver":
        yield database.pool
    else:
        async with database.transaction() as session:
            yield session


async def test_defaults_are_the_columns(on: Any) -> None:
    first, second = await ADD.one(on, price=Decimal(7)), await ADD.one(on, price=Decimal("8.00"))
    assert second.id > first.id
    assert (first.kind, first.changes, first.touched, first.seen) == ("plain", 0, None, None)
    assert str(second.price) == "8.00"


async def test_a_default_of_the_server_and_one_for_each_row(on: Any) -> None:
    two = Statement(ThingRow, insert(Thing).values([{"kind": "fancy"}, {"kind": "odd"}]).returning(Thing))
    rows = await two.all(on)
    assert {row.price for row in rows} == {Decimal("1.50")}
    assert len({row.id for row in rows}) == 2
    assert await KINDS.all(on) == ["fancy", "odd"]


async def test_an_update_has_its_defaults_and_filters(on: Any) -> None:
    thing = await ADD.one(on, price=Decimal(1))
    assert await CHANGE.one_or_none(on, id=thing.id, to="fancy", kind="another") is None
    for kind in ("plain", None):
        changed = await CHANGE.one(on, id=thing.id, to="fancy", kind=kind)
        assert (changed.kind, changed.touched, changed.seen) == ("fancy", "touched", 42)
        assert changed.changes > thing.changes
    assert await REMOVE.one(on, id=thing.id) == thing.id
    assert await KINDS.all(on) == []


async def test_rows_that_are_too_many_or_none(on: Any) -> None:
    with pytest.raises(RuntimeError, match="no row"):
        await KINDS.one(on)
    assert await KINDS.one_or_none(on) is None
    await ADD.one(on, price=Decimal(1))
    assert await KINDS.one(on) == "plain"
    await ADD.one(on, price=Decimal(1))
    for call in (KINDS.one, KINDS.one_or_none):
        with pytest.raises(RuntimeError, match="2 rows, not one"):
            await call(on)


async def test_a_model_has_its_fields_by_name_and_its_own_defaults(on: Any) -> None:
    thing = await ADD.one(on, price=Decimal(1))
    statement = Statement(Short, select(Thing.id.label("identifier"), Thing.kind))
    assert (await statement.one(on)).model_dump() == {"identifier": thing.id, "kind": "plain", "more": "a default"}


async def test_parameters_may_have_any_name(on: Any) -> None:
    parameters = [bindparam(name, type_=Integer) for name in ("self", "on", "row", "query")]
    statement = Statement(int, select(sum(parameters, literal_column("0", Integer)).label("sum")))
    assert await statement.one(on, self=1, on=2, row=3, query=4) == 10


@pytest.mark.parametrize("values", [{}, {"id": 1, "more": 2}, {"more": 2}])
async def test_missing_and_unknown_values_are_rejected(database: Database, values: dict[str, int]) -> None:
    with pytest.raises(TypeError, match=r"takes \['id'\]"):
        await REMOVE.one(database.pool, **values)


class Untouched(DriverPool):
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def fetch(self, sql: str, values: Any) -> list[Any]:
        assert sql.count("$") == len(values)
        self.texts.append(sql)
        return []


async def test_every_text_has_what_was_compiled_and_nothing_else() -> None:
    """Each of the combinations of filters is one text, whatever the values are."""
    pool = Untouched()
    statement = Statement(
        ThingRow,
        select(Thing).limit(bindparam("limit")),
        kind=Thing.kind == bindparam("kind"),
        ids=among(Thing.id, "ids"),
        like=Thing.kind.icontains(bindparam("like")),
    )
    hostile = ["'; DROP TABLE things; --", "$1", ":kind", "%s", None]
    for kind, like, limit in itertools.product(hostile, [*hostile, ""], [10_001, 10_002]):
        for ids in ((10_003,), (10_004, 10_005), None):
            await statement.all(pool, kind=kind and f"{kind}1", like=like, ids=ids, limit=limit)
    assert len(set(pool.texts)) == 8
    for sql in pool.texts:
        assert not [
            each
            for each in ("DROP", "1000", "%s", ":kind", "'")
            if each in sql.replace("'%' ||", "").replace("|| '%'", "")
        ]


@pytest.mark.parametrize(
    ("row", "query", "filters", "said"),
    [
        (int, select(Thing.id).where(Thing.id.in_(bindparam("ids"))), {}, "among"),
        (int, select(Thing.id).where(Thing.id.in_(bindparam("ids", expanding=True))), {}, "among"),
        (int, select(Thing.id).where(Thing.id == bindparam("id", literal_execute=True)), {}, "among"),
        (int, select(Thing.id), {"ids": Thing.id.in_(bindparam("ids"))}, "among"),
        (Short, select(Thing.kind), {}, "no column for: identifier"),
        (int, select(Thing.id), {"kind": Thing.kind == bindparam("another")}, "its own name: kind"),
        (int, select(Thing.id), {"kind": Thing.kind == "plain"}, "its own name: kind"),
        (int, select(Thing.id, Thing.kind), {}, "2 columns: give a pydantic model"),
        (int, delete(Thing), {}, r"no columns: add \.returning\(\.\.\.\)"),
        (ThingRow, insert(Thing).values(id=1), {}, r"no columns: add \.returning\(\.\.\.\)"),
        (Named, select(Thing, Owner), {}, r"two columns have the name id: .* \.label\(\.\.\.\)"),
        (Named, insert(Thing).values(id=1).returning(Thing.id, Owner.id), {}, "two columns have the name id"),
        (int, insert(Thing).values(id=1).returning(Thing.id), {"id": Thing.id == bindparam("id")}, "takes filters"),
        (int, text("SELECT 1 AS one").columns(one=Integer), {"id": Thing.id == bindparam("id")}, "takes filters"),
        (int, update(Thing).values(nothing=1).returning(Thing.id), {}, "nothing"),
    ],
)
def test_a_mistake_is_found_where_it_is_made(
    row: Any, query: Query, filters: dict[str, ColumnElement[bool]], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        Statement(row, query, **filters)
