"""A table of every type of column that a service may use, and what its columns may hold."""

import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, override
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Date,
    DateTime,
    Dialect,
    Double,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Text,
    Time,
    TypeDecorator,
    Uuid,
)
from sqlalchemy import Enum as EnumType
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database._pools import Database


class Mood(Enum):
    FINE = 1
    BAD = 2


class Size(StrEnum):
    SMALL = "it's small; --"
    LARGE = "$1 :large %s"


class Cents(TypeDecorator[int]):
    """Whole cents, stored as a NUMERIC of the currency's unit."""

    impl = Numeric
    cache_ok = True

    @override
    def process_bind_param(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-2)

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value * 100)


class Local(DeclarativeBase):
    metadata = MetaData()


NATIVE = EnumType(Mood, name="mood")
CHECKED = EnumType(Size, native_enum=False, length=20, values_callable=lambda kind: [each.value for each in kind])


class Everything(Local):
    __tablename__ = "everything"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(64))
    body: Mapped[str | None] = mapped_column(Text)
    small: Mapped[int | None] = mapped_column(SmallInteger)
    number: Mapped[int | None] = mapped_column(Integer)
    big: Mapped[int | None] = mapped_column(BigInteger)
    exact: Mapped[Decimal | None] = mapped_column(Numeric)
    scaled: Mapped[Decimal | None] = mapped_column(Numeric(12, 4))
    loose: Mapped[float | None] = mapped_column(Numeric(asdecimal=False))
    real: Mapped[float | None] = mapped_column(Double)
    rounded: Mapped[Decimal | None] = mapped_column(Float(53, asdecimal=True))
    flag: Mapped[bool | None]
    day: Mapped[date | None] = mapped_column(Date)
    clock: Mapped[time | None] = mapped_column(Time)
    moment: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    local: Mapped[datetime | None] = mapped_column(DateTime)
    span: Mapped[timedelta | None] = mapped_column(Interval)
    key: Mapped[UUID | None] = mapped_column(Uuid)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    mood: Mapped[Mood | None] = mapped_column(NATIVE)
    size: Mapped[Size | None] = mapped_column(CHECKED)
    cents: Mapped[int | None] = mapped_column(Cents)
    document: Mapped[Any] = mapped_column(JSON, nullable=True)
    binary: Mapped[Any] = mapped_column(JSONB, nullable=True)
    absent: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    names: Mapped[list[str | None] | None] = mapped_column(ARRAY(String))
    numbers: Mapped[list[int | None] | None] = mapped_column(ARRAY(Integer))
    amounts: Mapped[list[Decimal | None] | None] = mapped_column(ARRAY(Numeric))
    moods: Mapped[list[Mood | None] | None] = mapped_column(ARRAY(NATIVE))
    sizes: Mapped[list[Size | None] | None] = mapped_column(ARRAY(CHECKED))
    keys: Mapped[list[UUID | None] | None] = mapped_column(ARRAY(Uuid))
    prices: Mapped[list[int | None] | None] = mapped_column(ARRAY(Cents))


COLUMNS = [each for each in Everything.__table__.columns if each.key != "id"]
# Equality means something for these, and a value of them may stand in a list.
COMPARABLE = [each.key for each in COLUMNS if not isinstance(each.type, ARRAY | JSON)]


@asynccontextmanager
async def tables(database: Database) -> AsyncIterator[None]:
    async with database.engine.begin() as connection:
        await connection.run_sync(Local.metadata.create_all)
    try:
        yield
    finally:
        async with database.engine.begin() as connection:
            await connection.run_sync(Local.metadata.drop_all)


CHARACTERS = st.characters(codec="utf-8", exclude_characters="\x00")
HOSTILE = [
    "'",
    "''; DROP TABLE everything; --",
    "$1",
    ":name",
    "%s %(name)s",
    "\\'",
    '"',
    "{}",
    "?",
    "NULL",
    string.printable,
]
words = st.text(CHARACTERS, max_size=64) | st.sampled_from([each[:64] for each in HOSTILE])
decimals = st.decimals(allow_nan=False, allow_infinity=False)
floats = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


def integers(bits: int) -> SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def lists(items: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.lists(items | st.none(), max_size=3)


VALUES: dict[str, SearchStrategy[Any]] = {
    "name": words,
    "body": words,
    "small": integers(16),
    "number": integers(32),
    "big": integers(64),
    "exact": decimals,
    "scaled": st.decimals(-(10**8) + 1, 10**8 - 1, places=4),
    "loose": finite,
    "real": floats,
    "rounded": st.floats(-1e6, 1e6),
    "flag": st.booleans(),
    "day": st.dates(),
    "clock": st.times(),
    "moment": st.datetimes(timezones=st.just(UTC)),
    "local": st.datetimes(),
    "span": st.timedeltas(timedelta(days=-(10**6)), timedelta(days=10**6)),
    "key": st.uuids(),
    "raw": st.binary(max_size=20),
    "mood": st.sampled_from(Mood),
    "size": st.sampled_from(Size),
    "cents": st.integers(-(10**9), 10**9),
    "document": documents,
    "binary": documents,
    "absent": documents,
    "names": lists(words),
    "numbers": lists(integers(32)),
    "amounts": lists(decimals),
    "moods": lists(st.sampled_from(Mood)),
    "sizes": lists(st.sampled_from(Size)),
    "keys": lists(st.uuids()),
    "prices": lists(st.integers(-(10**9), 10**9)),
}
rows = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})
