"""Statements that are compiled once, when their module is imported, and that asyncpg runs without a session.

    BY_ID = Statement(OrderRow, select(Order).where(Order.id == bindparam("id")))
    NEWEST = Statement(
        OrderRow,
        select(Order).order_by(Order.id.desc()).limit(bindparam("limit")),
        status=Order.status == bindparam("status"),  # A filter: left out if the value is None.
    )

    order = await BY_ID.one_or_none(pool, id=order_id)
    rows = await NEWEST.all(pool, status=None, limit=21)

Values travel beside the text and never in it. The mapped class's defaults and types mean the same as in the session,
and so does a statement that is run on one. What cannot be compiled this way is a TypeError when it is defined.
chassis/docs/database.md says which executor is for what.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ARRAY, ColumnElement, any_
from sqlalchemy import bindparam as _bindparam
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database._driver import DriverPool, Transaction
from chassis.database._sqlalchemy import Compiled, Query, result_converter

type Executor = DriverPool | Transaction | AsyncSession


def among[Value](column: ColumnElement[Value] | Any, name: str) -> ColumnElement[bool]:
    """Compare with a list that is one parameter. `IN` would need a statement for each length of the list."""
    return column == any_(_bindparam(name, type_=ARRAY(column.type)))


class Statement[Row]:
    """`row` is a pydantic model of the columns, or the type of the only column.

    The values of parameters are keywords. Errors: those of _errors.py, and asyncpg's for violated constraints.
    """

    def __init__(self, row: type[Row], query: Query, /, **filters: ColumnElement[bool]) -> None:
        self._filters = filters
        self._query = query
        if filters and not hasattr(query, "where"):
            raise TypeError("only a SELECT, an UPDATE or a DELETE takes filters")
        whole = Compiled(self._filtered(filters))
        self._variants = {frozenset(filters): whole}
        self._names = whole.names
        self._keys = [str(key) for key in whole.columns.keys()]  # noqa: SIM118 - Not a dict.
        self._converts = [
            (index, convert) for index, each in enumerate(whole.columns) if (convert := result_converter(each.type))
        ]
        self._scalar = not hasattr(row, "model_fields")
        self._rows = TypeAdapter(list[row])  # type: ignore[valid-type] # A type made at run time.
        _check(row, whole.columns, filters, whole.names)

    async def all(self, on: Executor, /, **values: Any) -> list[Row]:
        if values.keys() != self._names:
            raise TypeError(f"takes {sorted(self._names)}, not {sorted(values)}")
        compiled = self._variant(values) if self._filters else self._variants[frozenset()]
        fetch = partial(_fetch_in_session, on) if isinstance(on, AsyncSession) else on.fetch
        records = await fetch(compiled.sql, compiled.arguments(values))
        return self._typed([self._converted(record) for record in records] if self._converts else records)

    async def one_or_none(self, on: Executor, /, **values: Any) -> Row | None:
        """Return the only row, or None; raises RuntimeError if there are more."""
        rows = await self.all(on, **values)
        if len(rows) > 1:
            raise RuntimeError(f"{len(rows)} rows, not one")
        return rows[0] if rows else None

    async def one(self, on: Executor, /, **values: Any) -> Row:
        """Return the only row, as of an INSERT or a count; raises RuntimeError if there is not exactly one."""
        row = await self.one_or_none(on, **values)
        if row is None:
            raise RuntimeError("no row")
        return row

    def _variant(self, values: dict[str, Any]) -> Compiled:
        present = frozenset(name for name in self._filters if values[name] is not None)
        if present not in self._variants:
            self._variants[present] = Compiled(self._filtered(present))
        return self._variants[present]

    def _filtered(self, names: Any) -> Query:
        clauses = [self._filters[name] for name in self._filters if name in names]
        return self._query.where(*clauses) if clauses else self._query  # type: ignore[union-attr] # `__init__` has checked it.

    def _converted(self, record: Sequence[Any]) -> list[Any]:
        row = list(record)
        for index, convert in self._converts:
            row[index] = convert(row[index])
        return row

    def _typed(self, records: Sequence[Sequence[Any]]) -> list[Row]:
        if self._scalar:
            return self._rows.validate_python([record[0] for record in records])
        rows = [dict(zip(self._keys, record, strict=True)) for record in records]
        return self._rows.validate_python(rows, by_name=True)  # By the field's name, not its alias.


async def _fetch_in_session(session: AsyncSession, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
    await session.flush()  # So that the statement sees the session's changes.
    connection = await session.connection()
    return (await connection.exec_driver_sql(sql, tuple(values))).all()


def _check(row: Any, columns: Iterable[ColumnElement[Any]], filters: dict[str, Any], names: set[str]) -> None:
    labels = [str(column.key) for column in columns]
    if not labels:
        raise TypeError("the statement returns no columns: add .returning(...), for example .returning(Order)")
    if unknown := filters.keys() - names:
        raise TypeError(f"a filter must compare with bindparam() of its own name: {', '.join(sorted(unknown))}")
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise TypeError(f"two columns have the name {repeated[0]}: select fewer, or rename one by .label(...)")
    fields = row.model_fields.items() if hasattr(row, "model_fields") else ()
    missing = [name for name, field in fields if field.is_required() and name not in labels]
    if missing:
        raise TypeError(f"the statement has no column for: {', '.join(missing)}")
    if not fields and len(labels) != 1:
        raise TypeError(f"the statement returns {len(labels)} columns: give a pydantic model for them, or select one")
