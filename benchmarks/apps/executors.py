"""What a read by id costs on each executor to the database: the processor time of the client, taken by turns.

`python executors.py URL ORDER ROUNDS SECONDS`, where the service is installed; prints JSON.
"""

import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from app.orders.models import Order
from app.orders.schemas import OrderRow
from chassis.database import Database, DatabaseSettings, Statement
from pydantic import SecretStr
from sqlalchemy import bindparam, select

URL, ORDER, ROUNDS, SECONDS = sys.argv[1], UUID(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
COLUMNS = "id, reference, amount, currency, status, version, created_at, updated_at"
SQL = f"SELECT {COLUMNS} FROM orders WHERE id = $1"
BATCH = 200  # Reads between two looks at the clock.

type Read = Callable[[], Awaitable[Any]]


async def main() -> None:
    measured: dict[str, list[float]] = {name: [] for name in EXECUTORS}
    async with AsyncExitStack() as stack:
        executors = {
            name: await stack.enter_async_context(executor()) for name, executor in EXECUTORS.items()
        }
        for read in executors.values():
            await cost(read)  # Connects, and prepares the statement.
        for _ in range(ROUNDS):
            for name, read in executors.items():
                measured[name].append(await cost(read))
    print(json.dumps({name: round(statistics.median(each) * 1e6, 1) for name, each in measured.items()}))


async def cost(read: Read) -> float:
    """Return the seconds of processor time of one read."""
    ends, reads, began = time.monotonic() + SECONDS, 0, time.process_time()
    while time.monotonic() < ends:
        for _ in range(BATCH):
            await read()
        reads += BATCH
    return (time.process_time() - began) / reads


@asynccontextmanager
async def pool(**options: Any) -> AsyncIterator[Read]:
    async with asyncpg.create_pool(URL, min_size=1, max_size=1, **options) as opened:
        yield lambda: opened.fetch(SQL, ORDER)


async def nothing(_: asyncpg.Connection) -> None:
    """Leave a connection as it comes back."""


@asynccontextmanager
async def service() -> AsyncIterator[Database]:
    async with Database.open(DatabaseSettings(url=SecretStr(URL), pool_size=1)) as database:
        yield database


@asynccontextmanager
async def driver() -> AsyncIterator[Read]:
    async with service() as database:
        yield lambda: database.pool.fetch(SQL, [ORDER])


@asynccontextmanager
async def statement() -> AsyncIterator[Read]:
    by_id = Statement(OrderRow, select(Order).where(Order.id == bindparam("id")))
    async with service() as database:
        yield lambda: by_id.one(database.pool, id=ORDER)


@asynccontextmanager
async def session() -> AsyncIterator[Read]:
    async with service() as database:

        async def read() -> Order:
            async with database.reading() as opened:
                return await opened.get_one(Order, ORDER)

        yield read


EXECUTORS = {
    "pool": pool,
    "pool_without_reset": lambda: pool(reset=nothing),
    "driver": driver,
    "statement": statement,
    "session": session,
}


if __name__ == "__main__":
    uvloop.run(main())
