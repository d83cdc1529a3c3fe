"""Statements that are compiled once, when their module is imported, and run by asyncpg without the session's cost.

    BY_ID = Statement(OrderRow, select(Order).where(Order.id == bindparam("id")))
    NEWEST = Statement(
        OrderRow,
        select(Order).order_by(Order.id.desc()).limit(bindparam("limit")),
        status=Order.status == bindparam("status"),  # A filter: without it where the value is None.
    )

    order = await BY_ID.one_or_none(pool, id=order_id)
    rows = await NEWEST.all(pool, status=None, limit=21)

Values travel beside the text and never in it. The mapped class's defaults and types mean the same as in the session,
and so does a statement that is run on one. What cannot be compiled this way is a TypeError when it is defined.
chassis/docs/database.md says which executor is for what.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ARRAY, ColumnDefault, ColumnElement, Float, Numeric, SelectBase, UpdateBase, any_
from sqlalchemy import bindparam as _bindparam
from sqlalchemy.dialects.postgresql import asyncpg as _asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator, TypeEngine

from chassis.database._driver import DriverPool, Transaction

type Query = SelectBase | UpdateBase
type Executor = DriverPool | Transaction | AsyncSession
type _Convert = Callable[[Any], Any]

_DIALECT = _asyncpg.dialect(dbapi=_asyncpg.dialect.import_dbapi())  # type: ignore[no-untyped-call] # It has no types.
# PostgreSQL's numbers of the types whose conversion depends on what the driver returns: numeric, double precision.
_NUMERIC, _FLOAT = 1700, 701


def among[Value](column: ColumnElement[Value] | Any, name: str) -> ColumnElement[bool]:
    """Compare with a list that is given as one value: `IN` would need another statement for each length."""
    return column == any_(_bindparam(name, type_=ARRAY(column.type)))


class _Compiled:
    """One statement, with its filters in it or left out."""

    def __init__(self, query: Query) -> None:
        try:
            compiled = query.compile(dialect=_DIALECT)
        except SQLAlchemyError as error:
            raise TypeError(str(error)) from error
        required = {name for name, bind in compiled.binds.items() if bind.required}
        if any(bind.required for bind in compiled.post_compile_params | compiled.literal_execute_params):
            raise TypeError("a list that is given as a value takes among(column, name)")
        expanded = compiled.construct_expanded_state(dict.fromkeys(required))
        constants = {name: _constant(value) for name, value in expanded.parameters.items() if name not in required}
        given = constants | _defaults(compiled)
        types = {name: bind.type.dialect_impl(_DIALECT) for name, bind in compiled.binds.items()}
        converts = {name: each.bind_processor(_DIALECT) for name, each in types.items()} | dict(expanded.processors)
        names = expanded.positiontup or ()
        self.sql = expanded.statement
        self.columns = query.exported_columns
        self.names = set(names) - given.keys()
        self._parameters = [(name, converts.get(name), given.get(name)) for name in names]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        arguments = []
        for name, convert, given in self._parameters:
            value = given() if given else values[name]
            arguments.append(convert(value) if convert else value)
        return arguments


class Statement[Row]:
    """`row` is a pydantic model of the columns, or the type of the one column there is.

    Values for parameters are keywords. Errors: those of _errors.py, and asyncpg's for violated constraints.
    """

    def __init__(self, row: type[Row], query: Query, /, **filters: ColumnElement[bool]) -> None:
        self._filters = filters
        self._query = query
        if filters and not hasattr(query, "where"):
            raise TypeError("only a SELECT, an UPDATE or a DELETE takes filters")
        whole = _Compiled(self._filtered(filters))
        self._variants = {frozenset(filters): whole}
        self._names = whole.names
        self._keys = [str(key) for key in whole.columns.keys()]  # noqa: SIM118 - It is no dict.
        self._converts = [
            (index, convert) for index, each in enumerate(whole.columns) if (convert := _of_result(each.type))
        ]
        self._scalar = not hasattr(row, "model_fields")
        self._rows = TypeAdapter(list[row])  # type: ignore[valid-type] # A type made at run time.
        _check(row, self._keys, filters, whole.names)

    async def all(self, on: Executor, /, **values: Any) -> list[Row]:
        if values.keys() != self._names:
            raise TypeError(f"takes {sorted(self._names)}, not {sorted(values)}")
        compiled = self._variant(values) if self._filters else self._variants[frozenset()]
        fetch = partial(_fetch_in_session, on) if isinstance(on, AsyncSession) else on.fetch
        records = await fetch(compiled.sql, compiled.arguments(values))
        return self._typed([self._converted(record) for record in records] if self._converts else records)

    async def one_or_none(self, on: Executor, /, **values: Any) -> Row | None:
        """Return the only row; a RuntimeError if there are more."""
        rows = await self.all(on, **values)
        if len(rows) > 1:
            raise RuntimeError(f"{len(rows)} rows, not one")
        return rows[0] if rows else None

    async def one(self, on: Executor, /, **values: Any) -> Row:
        """Return the only row, which is always there: of an INSERT with RETURNING, or of a count."""
        row = await self.one_or_none(on, **values)
        if row is None:
            raise RuntimeError("no row")
        return row

    def _variant(self, values: dict[str, Any]) -> _Compiled:
        present = frozenset(name for name in self._filters if values[name] is not None)
        if present not in self._variants:  # A part of the whole, which compiles.
            self._variants[present] = _Compiled(self._filtered(present))
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
        return self._rows.validate_python(rows, by_name=True)  # A column has the field's name, whatever its alias.


async def _fetch_in_session(session: AsyncSession, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
    await session.flush()  # What the session has not written yet must be seen.
    connection = await session.connection()
    return (await connection.exec_driver_sql(sql, tuple(values))).all()


def _defaults(compiled: SQLCompiler) -> dict[str, Callable[[], Any]]:
    """Return what gives the columns' defaults in Python, such as uuid7: SQLAlchemy leaves them to who executes."""
    columns = [(each.key, each.default) for each in getattr(compiled, "insert_prefetch", ())]
    columns += [(each.key, each.onupdate) for each in getattr(compiled, "update_prefetch", ())]
    return {
        key: partial(default.arg, None) if default.is_callable else _constant(default.arg)
        for key, default in columns
        if isinstance(default, ColumnDefault)
    }


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _of_result(kind: TypeEngine[Any]) -> _Convert | None:
    item = kind.item_type if isinstance(kind, ARRAY) else kind
    item = item.impl_instance if isinstance(item, TypeDecorator) else item
    number = _FLOAT if isinstance(item, Float) else _NUMERIC if isinstance(item, Numeric) else None
    convert: _Convert | None = kind.dialect_impl(_DIALECT).result_processor(_DIALECT, number)
    return convert


def _check(row: Any, keys: list[str], filters: dict[str, Any], names: set[str]) -> None:
    if unknown := filters.keys() - names:
        raise TypeError(f"a filter must compare with bindparam() of its own name: {', '.join(sorted(unknown))}")
    fields = row.model_fields.items() if hasattr(row, "model_fields") else ()
    missing = [name for name, field in fields if field.is_required() and name not in keys]
    if missing:
        raise TypeError(f"the statement has no column for: {', '.join(missing)}")
    if not fields and len(keys) != 1:
        raise TypeError(f"{len(keys)} columns take a pydantic model")
