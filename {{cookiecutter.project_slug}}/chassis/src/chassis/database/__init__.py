"""PostgreSQL: the pools of a worker, compiled statements, and the dependencies of routes.

A route takes one of these. None takes a connection before its first statement.

    Pool              runs compiled statements (`Statement`) one by one, in a sixth of a session's time
    ReplicaPool       the same on the read replica, if there is one; its rows may be a moment old
    Session           a transaction that commits before the response is sent, so a failed commit is an error response
    ReadSession       reads without a transaction, which saves the round trips of BEGIN and ROLLBACK
    StreamingSession  a transaction that holds its connection until the response has been sent

From chassis.idempotency, for a request that the client or the chassis may repeat:

    IdempotentSession      as Session
    IdempotentTransaction  the same for compiled statements

The errors, all ServiceErrors:

    DatabaseUnavailable    503: away, full, starting, failing over; a retry may succeed
     └─ DatabaseConflict   503: lost against another transaction; chassis.idempotency retries it first
    StillReferenced        409: a DELETE of a row that others reference
    DatabaseTimeout        504: a statement exceeded its timeout
    Unstorable             422: PostgreSQL rejected a value that the schema had accepted
"""

from chassis.database._driver import DriverPool, Transaction
from chassis.database._errors import (
    DatabaseConflict,
    DatabaseTimeout,
    DatabaseUnavailable,
    StillReferenced,
    Unstorable,
    violations,
)
from chassis.database._first_connection import available as connections_available
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
from chassis.database._statements import Executor, Statement, among

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
    "Pool",
    "ReadSession",
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
