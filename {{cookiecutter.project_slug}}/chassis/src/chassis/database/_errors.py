"""Maps the errors of PostgreSQL, asyncpg and SQLAlchemy to responses.

A violated constraint stays an `IntegrityError`, because only the feature knows its meaning: see `violations`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import asyncpg
import structlog
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import EmulatedDBAPIException, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from chassis.errors import ServiceError

log = structlog.stdlib.get_logger("chassis.database")


class DatabaseUnavailable(ServiceError):
    status = 503
    slug = "database-unavailable"
    title = "The database is not available"
    headers: ClassVar = {"Retry-After": "1"}


class DatabaseConflict(DatabaseUnavailable):
    title = "Another request changed the same data"


class DatabaseTimeout(ServiceError):
    status = 504
    slug = "database-timeout"
    title = "The database took too long"


class StillReferenced(ServiceError):
    status = 409
    slug = "still-referenced"
    title = "Other records refer to it"


class Unstorable(ServiceError):
    status = 422
    slug = "unstorable-value"
    title = "The database cannot store a value"


# By error code, or the start of one: https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES: dict[str, type[ServiceError]] = {
    "08": DatabaseUnavailable,  # Connection exception; also PgBouncer's own errors.
    "25006": DatabaseUnavailable,  # Read-only transaction: a replica, or a failover in progress.
    "40001": DatabaseConflict,  # Serialization failure; on a replica, a conflict with recovery.
    "40P01": DatabaseConflict,  # Deadlock.
    "53": DatabaseUnavailable,  # Insufficient resources: connections, memory, disk.
    "55P03": DatabaseUnavailable,  # Lock not available.
    "57014": DatabaseTimeout,  # Query cancelled, by the statement timeout.
    "57P": DatabaseUnavailable,  # Shutdown, crash, start, database dropped, idle session ended.
    "58": DatabaseUnavailable,  # The operating system fails.
    "22001": Unstorable,  # Text too long.
    "22003": Unstorable,  # Number out of range.
    "22008": Unstorable,  # Date or time out of range.
    "22021": Unstorable,  # A character that the encoding does not have: NUL.
    "22P05": Unstorable,  # As 22021, within JSON.
}
_REFERENCED = ("23001", "23503")  # RESTRICT, since PostgreSQL 18; every other foreign key.
# The server has closed the connection, or the whole pool is connected to a server that can no longer write.
_FRESH_CONNECTION = ("08", "25006", "57P")


def translate(context: ExceptionContext) -> BaseException | None:
    """Return the error to raise instead, for the errors of the tables above; SQLAlchemy calls this."""
    original = context.original_exception
    if not isinstance(original, Exception):
        return None  # A cancelled request: its deadline must stay the cause.
    meaning = _meaning(original, disconnected=context.is_disconnect)
    if isinstance(original, OSError) or _sqlstate(original).startswith(_FRESH_CONNECTION):
        context.is_disconnect = True  # SQLAlchemy often cannot see it yet and would keep the connection.
    return meaning


@contextmanager
def translated_driver(connection: asyncpg.Connection) -> Iterator[None]:
    """Do the same where the driver runs without SQLAlchemy. Put nothing else into the block."""
    try:
        yield
    except Exception as error:
        if meaning := _meaning(error, disconnected=connection.is_closed()):
            raise meaning from error
        raise


def _sqlstate(error: Exception) -> str:
    return getattr(error, "sqlstate", None) or ""


def _meaning(error: Exception, *, disconnected: bool) -> ServiceError | None:
    found = _kind(error, disconnected=disconnected)
    if found:
        reason, sqlstate = str(error) or type(error).__name__, _sqlstate(error) or None
        log.warning("database error", error=reason, sqlstate=sqlstate, problem=found.slug)
    return found() if found else None


def _kind(error: Exception, *, disconnected: bool) -> type[ServiceError] | None:
    for length in (5, 3, 2):
        if state := _STATES.get(_sqlstate(error)[:length]):
            return state
    if isinstance(error, TimeoutError) and error.errno is None:
        return DatabaseTimeout  # asyncpg's own timer; the network's ETIMEDOUT has an errno.
    if disconnected or isinstance(error, OSError):
        return DatabaseUnavailable
    cause = error.__cause__ if isinstance(error, EmulatedDBAPIException) else error
    if _sqlstate(error) in _REFERENCED and getattr(cause, "query", "").lstrip().startswith("DELETE"):
        return StillReferenced
    if isinstance(cause, asyncpg.InvalidCachedStatementError):
        return DatabaseConflict  # A migration changed the table; the next attempt prepares the statement again.
    # asyncpg could not encode a parameter.
    return Unstorable if isinstance(cause, asyncpg.DataError | UnicodeEncodeError) else None


@contextmanager
def translated() -> Iterator[None]:
    """Do the same for the errors that SQLAlchemy raises by itself."""
    try:
        yield
    except PoolTimeoutError as error:
        log.warning("database error", error="all connections are busy", problem=DatabaseUnavailable.slug)
        raise DatabaseUnavailable("All connections are busy") from error
    except StaleDataError as error:
        raise DatabaseConflict("Another request changed the same row") from error


@contextmanager
def violations(**errors: ServiceError) -> Iterator[None]:
    """Raise the error that belongs to the violated constraint.

    with violations(uq_orders_reference=OrderExists(new.reference)):
        await session.flush()
    """
    try:
        yield
    except (IntegrityError, asyncpg.IntegrityConstraintViolationError) as error:
        cause = error.orig.__cause__ if isinstance(error, IntegrityError) and error.orig else error
        constraint: str | None = getattr(cause, "constraint_name", None)
        if constraint in errors:
            raise errors[constraint] from error
        raise
