"""Requests that may run twice: the client repeats one without a response, or we repeat one after a conflict.

Take `IdempotentSession` in a route whose only effect is what it writes to its session, or `IdempotentTransaction` in
one that writes with compiled statements:

    router = APIRouter(prefix="/v1/orders", route_class=Route)

    @router.post("", status_code=201)
    async def place_order(new: OrderCreate, session: IdempotentSession) -> OrderRead: ...

A client may send an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), a UUID. The response is stored in
the transaction of the effect. The same request with the same key gets it again. Errors have no effect and are not kept.

The dependency looks up the key. A guard of the router runs before, so it also rejects repetitions.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Depends, Header, HTTPException, Request, Response
from pydantic import BaseModel, WithJsonSchema
from sqlalchemy import Column, DateTime, Float, Integer, LargeBinary, Table, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from chassis.database._driver import Transaction
from chassis.database._errors import DatabaseConflict
from chassis.database._pools import Base, Database
from chassis.database._statements import Executor, Statement
from chassis.errors import ServiceError

HEADER = "Idempotency-Key"
ATTEMPTS = 3
BACKOFF = 0.02  # Seconds at most before the second attempt, and twice as long before each next.
CLEANED = 10  # Each new response deletes up to this many that have expired, so the table stays bounded.


class MalformedKey(ServiceError):
    status = 400
    slug = "malformed-idempotency-key"
    title = "The Idempotency-Key is not a UUID"


class KeyInUse(ServiceError):
    status = 409
    slug = "idempotency-key-in-use"
    title = "A request with this Idempotency-Key is still running"
    headers: ClassVar = {"Retry-After": "1"}


class KeyReused(ServiceError):
    status = 422
    slug = "idempotency-key-reused"
    title = "This Idempotency-Key was used for another request"


# `status` and the columns after it are NULL only inside the transaction that is about to respond.
STORED = Table(
    "idempotency_keys",
    Base.metadata,
    Column("key", Uuid, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("status", Integer),
    Column("headers", JSONB),
    Column("body", LargeBinary),
)


type Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(eq=False)
class Replayed(Exception):
    """Ends the route with the stored response."""

    response: Response


@dataclass
class Attempt:
    """One run of a route, and the transaction that a dependency has opened for it."""

    request: Request
    stack: AsyncExitStack
    transaction: AsyncSession | Transaction | None = None
    key: UUID | None = None

    async def begin[T: (AsyncSession, Transaction)](self, transaction: AbstractAsyncContextManager[T]) -> T:
        """Open the transaction and claim the request's key; raises Replayed if there is a stored response."""
        self.key = _key(self.request)
        fingerprint = await _fingerprint(self.request) if self.key else b""
        opened = self.transaction = await self.stack.enter_async_context(transaction)
        expiry = _database(self.request).settings.idempotency_expiry
        if self.key and not await _claim(opened, self.key, fingerprint, expiry):
            raise Replayed(await _stored(opened, self.key, fingerprint))
        return opened


async def run(request: Request, handle: Handler) -> Response:
    """Run a route. One that has lost against another transaction runs again, within the request's deadline."""
    for number in range(1, ATTEMPTS):
        try:
            return await _attempt(request, handle)
        except DatabaseConflict:
            if request.state.attempt.transaction is None:
                raise  # The route has a transaction of another kind, and perhaps effects outside of it.
            await asyncio.sleep(random.uniform(0, BACKOFF * 2**number))  # noqa: S311 - Jitter.
    return await _attempt(request, handle)


async def _attempt(request: Request, handle: Handler) -> Response:
    if HEADER in request.headers and "form" in request.headers.get("Content-Type", ""):
        await _body(request)  # FastAPI parses a form as a stream, and then its bytes are gone.
    async with AsyncExitStack() as stack:
        attempt = request.state.attempt = Attempt(request, stack)
        try:
            response = await handle(request)
        except Replayed as replayed:
            return replayed.response
        if attempt.key and attempt.transaction is not None:
            await _store(attempt.transaction, attempt.key, response)
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


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise HTTPException(400) from None


async def _fingerprint(request: Request) -> bytes:
    body = await _body(request)
    head = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(head.encode() + body).digest()


async def _claim(on: Executor, key: UUID, fingerprint: bytes, expiry: int) -> bool:
    """Take the key for this transaction; false if another transaction has it or a response is stored."""
    lock = int.from_bytes(hashlib.sha256(key.bytes).digest()[:4], signed=True)  # If two keys collide, one gets a 409.
    return await _CLAIM.one_or_none(on, key=key, fingerprint=fingerprint, expiry=expiry, lock=lock) is not None


async def _stored(on: Executor, key: UUID, fingerprint: bytes) -> Response:
    stored = await _STORED.one_or_none(on, key=key)
    if stored is None:
        raise KeyInUse
    if stored.fingerprint != fingerprint:
        raise KeyReused("The first request had another method, path or body")
    response = Response(stored.body, stored.status, {"Idempotent-Replayed": "true"})
    for name, value in stored.headers:
        response.headers.append(name, value)
    return response


async def _store(on: Executor, key: UUID, response: Response) -> None:
    headers = [[name, value] for name, value in response.headers.items() if name != "content-length"]
    values = {"status": response.status_code, "headers": headers, "body": bytes(response.body)}
    await _STORE.one(on, key=key, cleaned=CLEANED, **values)


class _StoredResponse(BaseModel):
    fingerprint: bytes
    status: int
    headers: list[tuple[str, str]]
    body: bytes


_STORED = Statement(_StoredResponse, select(STORED).where(STORED.c.key == bindparam("key")))
# The lock ends with the transaction. Without it the INSERT would wait for the other transaction and hold a connection.
# Two numbers, "idem" and the key's, never name the same lock as one number does: the migrations', or a feature's own.
_CLAIM = Statement(
    UUID,
    text("""
        INSERT INTO idempotency_keys AS stored (key, fingerprint, expires_at)
        SELECT CAST(:key AS uuid), CAST(:fingerprint AS bytea), now() + make_interval(secs => :expiry)
        WHERE pg_try_advisory_xact_lock(x'6964656d'::int, :lock)
        ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, expires_at = excluded.expires_at
        WHERE stored.expires_at <= now()
        RETURNING key
    """)
    .bindparams(bindparam("expiry", type_=Float), bindparam("lock", type_=Integer))
    .columns(key=Uuid),
)
_STORE = Statement(
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
    Header(alias=HEADER, description="A UUID. Repetitions with the same key have no further effect"),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]


async def _session(request: Request, _key: _Key = None) -> AsyncSession:
    return await _current(request).begin(_database(request).transaction())


async def _transaction(request: Request, _key: _Key = None) -> Transaction:
    return await _current(request).begin(_database(request).pool.transaction())


def _current(request: Request) -> Attempt:
    attempt: Attempt | None = getattr(request.state, "attempt", None)
    if attempt is None:  # `chassis.routing.check` finds it when the application starts.
        raise RuntimeError("idempotent dependencies need APIRouter(route_class=Route) of chassis.routing")
    return attempt


def _database(request: Request) -> Database:
    database: Database = request.state.database
    return database


IdempotentSession = Annotated[AsyncSession, Depends(_session)]
IdempotentTransaction = Annotated[Transaction, Depends(_transaction)]
DEPENDENCIES = {"IdempotentSession": _session, "IdempotentTransaction": _transaction}
