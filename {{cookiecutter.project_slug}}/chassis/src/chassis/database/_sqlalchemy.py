"""The parts of SQLAlchemy 2.1 that its documentation does not describe.

- `idle_connection` and `Connector`. To take an idle connection from the pool needs no I/O, but
  `AsyncEngine.raw_connection` starts a greenlet for it, a sixth of the time of a read. The synchronous engine's
  `raw_connection` does the same without a greenlet, unless the pool has to connect.
- `Compiled`. SQLAlchemy compiles a statement, converts its values and fills in defaults for each execution. Compiled
  statements (_statements.py) do the first and the last once, with the compiler's own attributes.

`tests/database/test_driver.py`, `test_statements.py` and `test_statement_definitions.py` fail if SQLAlchemy changes
this: they compare each with what a session does.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

import asyncpg
from sqlalchemy import ARRAY, ColumnDefault, Float, Numeric, SelectBase, UpdateBase
from sqlalchemy.dialects.postgresql import asyncpg as _asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

type Query = SelectBase | UpdateBase
type Convert = Callable[[Any], Any]

_DIALECT = _asyncpg.dialect(dbapi=_asyncpg.dialect.import_dbapi())  # type: ignore[no-untyped-call] # It has no types.
# PostgreSQL's numbers of the types whose conversion depends on what the driver returns: numeric, double precision.
_NUMERIC, _FLOAT = 1700, 701


class WouldConnect(Exception):
    """The pool has to connect, which takes a greenlet."""


class Connector:
    """Passes to the pool what makes its connections; raises WouldConnect where nothing could await one."""

    def __init__(self, connect: Callable[[], Coroutine[Any, Any, asyncpg.Connection]]) -> None:
        self._connect = connect

    def __call__(self) -> Coroutine[Any, Any, asyncpg.Connection]:
        if not in_greenlet():
            raise WouldConnect
        return self._connect()


def idle_connection(engine: AsyncEngine) -> PoolProxiedConnection | None:
    """Take an idle connection from the pool of `engine`, or None if there is none that works."""
    if not cast("QueuePool", engine.pool).checkedin():
        return None
    try:
        return engine.sync_engine.raw_connection()
    except WouldConnect:  # The idle connection was closed; the pool has discarded it.
        return None


async def invalidate(pooled: PoolProxiedConnection) -> None:
    """Close a connection instead of returning it to its pool. PostgreSQL cancels the running query."""
    await greenlet_spawn(pooled.invalidate)


class Compiled:
    """A statement as text, with what turns values into parameters; a TypeError if it cannot be compiled once."""

    def __init__(self, query: Query) -> None:
        try:
            compiled = query.compile(dialect=_DIALECT)
        except SQLAlchemyError as error:
            raise TypeError(str(error)) from error
        required = {name for name, bind in compiled.binds.items() if bind.required}
        if any(bind.required for bind in compiled.post_compile_params | compiled.literal_execute_params):
            raise TypeError("compare with a list by among(column, name) instead of in_(bindparam(name))")
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


def result_converter(kind: TypeEngine[Any]) -> Convert | None:
    """Return what turns asyncpg's value of a column into the type's; None if they are the same."""
    item = kind.item_type if isinstance(kind, ARRAY) else kind
    item = item.impl_instance if isinstance(item, TypeDecorator) else item
    number = _FLOAT if isinstance(item, Float) else _NUMERIC if isinstance(item, Numeric) else None
    convert: Convert | None = kind.dialect_impl(_DIALECT).result_processor(_DIALECT, number)
    return convert


def _defaults(compiled: SQLCompiler) -> dict[str, Callable[[], Any]]:
    """Return the columns' Python defaults, which SQLAlchemy leaves to the execution."""
    columns = [(each.key, each.default) for each in getattr(compiled, "insert_prefetch", ())]
    columns += [(each.key, each.onupdate) for each in getattr(compiled, "update_prefetch", ())]
    return {
        key: partial(default.arg, None) if default.is_callable else _constant(default.arg)
        for key, default in columns
        if isinstance(default, ColumnDefault)
    }


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value
