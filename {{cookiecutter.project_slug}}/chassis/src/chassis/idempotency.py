"""Requests that may be sent again: by a client that got no answer, or by us after a conflict in the database.

`IdempotentSession` is for a route whose one effect is what it writes to its session, and `IdempotentTransaction` for
one that writes by compiled statements:

    router = APIRouter(prefix="/v1/orders", route_class=IdempotentRoute)

    @router.post("", status_code=201)
    async def place_order(new: OrderCreate, session: IdempotentSession) -> OrderRead: ...

A client may send an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), which is a UUID. The answer is
stored in the transaction that has the effect, so that there are both or neither, and sent again to the same request
with the same key. An error has no effect: it is not stored, and the next attempt may do better.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Depends, Header, HTTPException, Request, Response
from pydantic import BaseModel, WithJsonSchema
from sqlalchemy import BigInteger, Column, DateTime, Float, Integer, LargeBinary, Table, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from chassis.database._driver import Transaction
from chassis.database._errors import DatabaseConflict
from chassis.database._pools import Base, Database
from chassis.database._statements import Executor, Statement
from chassis.errors import ServiceError
from chassis.preconditions import ConditionalRoute, Handler

HEADER = "Idempotency-Key"
ATTEMPTS = 3
BACKOFF = 0.02  # Seconds at most before the second attempt, and twice as long before each next.
CLEANED = 10  # Expired answers that each new one removes at most, so that the table cannot grow without end.


class MalformedKey(ServiceError):
    status = 400
    slug = "malformed-idempotency-key"
    title = "The Idempotency-Key is not a UUID"


class KeyInUse(ServiceError):
    status = 409
    slug = "idempotency-key-in-use"
    title = "A request with this Idempotency-Key is still at work"
    headers: ClassVar = {"Retry-After": "1"}


class KeyReused(ServiceError):
    status = 422
    slug = "idempotency-key-reused"
    title = "This Idempotency-Key belongs to another request"


# `status` and what follows are NULL only inside the transaction that is about to answer.
KEPT = Table(
    "idempotency_keys",
    Base.metadata,
    Column("key", Uuid, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("status", Integer),
    Column("headers", JSONB),
    Column("body", LargeBinary),
)


class IdempotentRoute(ConditionalRoute):
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        calls = [dependency.call for dependency in self.dependant.dependencies]
        if _session not in calls and _transaction not in calls:
            return handle

        async def in_one_transaction(request: Request) -> Response:
            return await _repeated(lambda: _once(request, handle, with_session=_session in calls))

        return in_one_transaction


async def _repeated(attempt: Callable[[], Awaitable[Response]]) -> Response:
    """Run it again when it lost against another transaction, in the time of the request's deadline."""
    for number in range(1, ATTEMPTS):
        try:
            return await attempt()
        except DatabaseConflict:
            await asyncio.sleep(random.uniform(0, BACKOFF * 2**number))  # noqa: S311 - Jitter.
    return await attempt()


async def _once(request: Request, handle: Handler, *, with_session: bool) -> Response:
    key = _key(request)
    fingerprint = await _fingerprint(request) if key else b""
    database: Database = request.state.database
    async with database.transaction() if with_session else database.pool.transaction() as transaction:
        request.state.transaction = transaction
        if not key:
            return await handle(request)
        if not await _claim(transaction, key, fingerprint, database.settings.idempotency_expiry):
            return await _kept(transaction, key, fingerprint)
        response = await handle(request)
        await _keep(transaction, key, response)
        return response


def _key(request: Request) -> UUID | None:
    values = request.headers.getlist(HEADER)
    if not values:
        return None
    try:
        [value] = values
        return UUID(value.removeprefix('"').removesuffix('"'))  # The draft has quotes, most clients have none.
    except ValueError:
        raise MalformedKey(f"{HEADER} takes a UUID, once") from None


async def _fingerprint(request: Request) -> bytes:
    try:
        body = await request.body()
    except ClientDisconnect:
        raise HTTPException(400) from None
    head = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(head.encode() + body).digest()


async def _claim(on: Executor, key: UUID, fingerprint: bytes, expiry: int) -> bool:
    """Take the key for this transaction, unless another has it or an answer is kept."""
    lock = int.from_bytes(key.bytes[8:], signed=True)
    claimed = await _CLAIM.one_or_none(on, key=key, fingerprint=fingerprint, expiry=expiry, lock=lock)
    return claimed is not None


async def _kept(on: Executor, key: UUID, fingerprint: bytes) -> Response:
    kept = await _KEPT.one_or_none(on, key=key)
    if kept is None:
        raise KeyInUse
    if kept.fingerprint != fingerprint:
        raise KeyReused("Its method, path or body was different")
    response = Response(kept.body, kept.status, {"Idempotent-Replayed": "true"})
    for name, value in kept.headers:
        response.headers.append(name, value)
    return response


async def _keep(on: Executor, key: UUID, response: Response) -> None:
    headers = [[name, value] for name, value in response.headers.items() if name != "content-length"]
    answer = {"status": response.status_code, "headers": headers, "body": bytes(response.body)}
    await _KEEP.one(on, key=key, cleaned=CLEANED, **answer)


class _Answer(BaseModel):
    fingerprint: bytes
    status: int
    headers: list[tuple[str, str]]
    body: bytes


_KEPT = Statement(_Answer, select(KEPT).where(KEPT.c.key == bindparam("key")))
# The lock ends with the transaction. Without it the INSERT would wait for the other one, and hold a connection.
_CLAIM = Statement(
    UUID,
    text("""
        INSERT INTO idempotency_keys AS kept (key, fingerprint, expires_at)
        SELECT CAST(:key AS uuid), CAST(:fingerprint AS bytea), now() + make_interval(secs => :expiry)
        WHERE pg_try_advisory_xact_lock(:lock)
        ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, expires_at = excluded.expires_at
        WHERE kept.expires_at <= now()
        RETURNING key
    """)
    .bindparams(bindparam("expiry", type_=Float), bindparam("lock", type_=BigInteger))
    .columns(key=Uuid),
)
_KEEP = Statement(
    int,
    text("""
        WITH cleaned AS (
            DELETE FROM idempotency_keys WHERE key IN (
                SELECT key FROM idempotency_keys WHERE expires_at <= now() AND key <> :key
                ORDER BY expires_at LIMIT :cleaned FOR UPDATE SKIP LOCKED
            )
        )
        UPDATE idempotency_keys SET status = :status, headers = :headers, body = :body WHERE key = :key
        RETURNING status
    """)
    .bindparams(bindparam("headers", type_=JSONB))
    .columns(status=Integer),
)


_Key = Annotated[
    str | None,
    Header(alias=HEADER, description="A UUID; the same request with the same key has its effect once"),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]


async def _session(request: Request, _key: _Key = None) -> AsyncSession:
    session: AsyncSession = _of_the_route(request)
    return session


async def _transaction(request: Request, _key: _Key = None) -> Transaction:
    transaction: Transaction = _of_the_route(request)
    return transaction


def _of_the_route(request: Request) -> Any:
    if not hasattr(request.state, "transaction"):
        raise RuntimeError("idempotent dependencies need APIRouter(route_class=IdempotentRoute)")
    return request.state.transaction


IdempotentSession = Annotated[AsyncSession, Depends(_session)]
IdempotentTransaction = Annotated[Transaction, Depends(_transaction)]
