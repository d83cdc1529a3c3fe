"""The application: its features and its middleware."""

from importlib.metadata import entry_points, metadata

import structlog
from chassis import errors, health, limits, logs, routing
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware import Middleware

from app.lifespan import lifespan
from app.orders.amounts import router as amounts
from app.orders.router import router as orders
from app.settings import Settings

log = structlog.stdlib.get_logger("app.main")


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make an application. Without `settings` it reads the environment; a wrong value ends the process."""
    settings = settings or Settings.load()
    logs.configure(settings.log)
    [factory] = entry_points(group="app")
    about = metadata(factory.name)
    app = FastAPI(
        title=about["Name"],
        version=about["Version"],
        description=about["Summary"],
        lifespan=lifespan(settings),
        openapi_url="/openapi.json" if settings.docs else None,
        redoc_url=None,
        redirect_slashes=False,  # A redirect would have the scheme and host behind the proxy.
        middleware=middleware(settings),
        telemetry={"auto_configure": True},  # Exports nothing until an OTEL_ variable sets an endpoint.
    )
    errors.install(app)
    app.include_router(health.router)
    app.include_router(orders)
    app.include_router(amounts)
    routing.check(app)
    if settings.environment != "development":
        log.warning("no authentication: every client that reaches this service may use it")
    return app


def middleware(settings: Settings) -> list[Middleware]:
    """From the outside in. All are pure ASGI: `BaseHTTPMiddleware` is slow and breaks context variables."""
    origins = settings.cors_origins
    return [
        Middleware(logs.RequestLogMiddleware),
        Middleware(limits.LifespanMiddleware),
        *([Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"])] if origins else []),
        Middleware(limits.ConcurrencyMiddleware, settings.server.max_concurrency),
        Middleware(limits.DeadlineMiddleware, settings.server.deadline),
        Middleware(limits.BodySizeMiddleware, settings.server.max_body_size),
    ]
