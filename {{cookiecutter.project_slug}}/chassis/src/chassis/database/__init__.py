"""PostgreSQL: the pools of a worker, compiled statements, and what a route takes to use them.

A route takes one of these. None takes a connection from the pool before its first statement.

    Pool             for compiled statements (`Statement`), each by itself: a sixth of what a session costs
    ReplicaPool      the same on the read replica, where there is one: what it returns may be a moment old
    Session           a transaction that commits before the response is sent: a failing commit is an error, not a 200
    ReadSession       reads without a transaction, which saves the round trips of BEGIN and ROLLBACK
    StreamingSession  a transaction that lasts until the response has been read; holds its connection for all that time

Of chassis.idempotency, for a request that a client or we ourselves may repeat:

    IdempotentSession      as Session
    IdempotentTransaction  the same for compiled statements

What is wrong with the database leaves here as a ServiceError:

    DatabaseUnavailable    503: away, full, starting, failing over; a fresh connection may do better in a moment
     └─ DatabaseConflict   503: lost against another transaction; an `IdempotentSession` tries again by itself first
    StillReferenced        409: a row that others refer to cannot be deleted
    DatabaseTimeout        504: a statement ran out of time
    Unstorable             422: a backstop for what a schema let through
"""

from chassis.database._budget import available as connections_available
from chassis.database._driver import DriverPool, Transaction
from chassis.database._errors import (
    DatabaseConflict,
    DatabaseTimeout,
    DatabaseUnavailable,
    StillReferenced,
    Unstorable,
    violations,
)
from chassis.database._pools import (
    Base,
    CurrentDatabase,
    Database,
    Pool,
    ReadSession,
    ReplicaPool,
    Session,
    StreamingSession,
    create_engine,
)
from chassis.database._settings import DatabaseSettings
from chassis.database._statements import Executor, Query, Statement, among

__all__ = [
    "Base",
    "CurrentDatabase",
    "Database",
    "DatabaseConflict",
    "DatabaseSettings",
    "DatabaseTimeout",
    "DatabaseUnavailable",
    "DriverPool",
    "Executor",
    "Query",
    "ReadSession",
    "Pool",
    "ReplicaPool",
    "Session",
    "Statement",
    "StillReferenced",
    "StreamingSession",
    "Transaction",
    "Unstorable",
    "among",
    "connections_available",
    "create_engine",
    "violations",
]
