"""A service as small as the chassis lets it be; tests add the routes that they need."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from starlette.middleware import Middleware

from chassis import errors, health, limits, logs, routing
from chassis.database import Database
from chassis.drain import Drain
from chassis.upstreams import Upstream
from example.settings import Settings


class State(TypedDict):
    drain: Drain
    database: Database
    parcels: Upstream


def lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def pools(_: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            yield State(
                drain=Drain(),
                database=await stack.enter_async_context(Database.open(settings.database)),
                parcels=await stack.enter_async_context(Upstream.open("parcels", settings.parcels)),
            )

    return pools


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or Settings.load()
    logs.configure(settings.log)
    app = FastAPI(
        title="example",
        description="For the chassis's own tests.",
        lifespan=lifespan(settings),
        redirect_slashes=False,
        middleware=middleware(settings),
        telemetry={"auto_configure": True},
    )
    errors.install(app)
    app.include_router(health.router)
    routing.check(app)
    return app


def middleware(settings: Settings) -> list[Middleware]:
    return [
        Middleware(logs.RequestLogMiddleware),
        Middleware(limits.LifespanMiddleware),
        Middleware(limits.ConcurrencyMiddleware, settings.server.max_concurrency),
        Middleware(limits.DeadlineMiddleware, settings.server.deadline),
        Middleware(limits.BodySizeMiddleware, settings.server.max_body_size),
    ]
