"""Opens the pools at the start, closes them in reverse order at the end, and passes them to `request.state`.

Nothing here does I/O. A service whose database is down starts, reports it on `/readyz`, and recovers by itself.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypedDict

from chassis.database import Database
from chassis.drain import Drain
from chassis.upstreams import Upstream
from fastapi import FastAPI

from app.settings import Settings


class State(TypedDict):
    drain: Drain
    database: Database
    exchange_rates: Upstream


def lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    # `make dev` always runs one process.
    workers = 1 if settings.environment == "development" else settings.server.workers

    @asynccontextmanager
    async def pools(_: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            yield State(
                drain=Drain(),
                database=await stack.enter_async_context(Database.open(settings.database, workers=workers)),
                exchange_rates=await stack.enter_async_context(
                    Upstream.open("exchange-rates", settings.exchange_rates)
                ),
            )

    return pools
