"""Who is compared: each in its own idiom, on its own server, with its users' way to the database."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.plan import Work

type Kind = Literal["floor", "framework", "service", "textbook", "peer"]
"""A peer gives what a service starts from: structure, ORM, server. A framework here has the driver alone."""

UVICORN = ("python", "-m", "uvicorn", "--port", "{port}", "--no-access-log", "--log-level", "warning")
ON_UVICORN = ("uvicorn", "uvloop", "httptools")
ASYNCPG = ("asyncpg", "uuid-utils")


@dataclass(frozen=True)
class Contestant:
    name: str
    title: str
    kind: Kind
    server: str
    access: str
    """How it talks to PostgreSQL."""
    environment: str
    """Its virtual environment, which several may share."""
    command: tuple[str, ...]
    shown: tuple[str, ...]
    """The packages whose versions say what was measured."""
    orders: str = "/v1/orders"
    livez: str = "/livez"

    def path(self, work: Work, order: str) -> str:
        match work:
            case "livez":
                return self.livez
            case "read":
                return f"{self.orders}/{order}"
            case "page" | "insert":
                return self.orders


ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "floor": (*ON_UVICORN, *ASYNCPG, "orjson"),
    "fastapi": ("fastapi", "sqlalchemy[asyncio]", *ON_UVICORN, *ASYNCPG),
    "starlette": ("starlette", *ON_UVICORN, *ASYNCPG),
    "quart": ("quart", "hypercorn", "uvloop", *ASYNCPG),
    "aiohttp": ("aiohttp[speedups]", "uvloop", *ASYNCPG),
    "django": ("django", "daphne", "psycopg[binary,pool]", "uuid-utils", *ON_UVICORN),
}

SERVICE = Contestant(
    name="service",
    title="the service as generated",
    kind="service",
    server="gunicorn, own worker, logs on",
    access="as generated",
    environment="service",
    command=("gunicorn",),
    shown=("fastapi", "sqlalchemy", "asyncpg", "uvicorn", "gunicorn"),
)

FLOOR = Contestant(
    name="floor",
    title="raw ASGI",
    kind="floor",
    server="uvicorn",
    access="asyncpg",
    environment="floor",
    command=(*UVICORN, "floor:app"),
    shown=("uvicorn", "asyncpg"),
)

CONTESTANTS = (
    FLOOR,
    Contestant(
        name="starlette",
        title="Starlette",
        kind="framework",
        server="uvicorn",
        access="asyncpg",
        environment="starlette",
        command=(*UVICORN, "starlette_asyncpg:app"),
        shown=("starlette", "uvicorn", "asyncpg"),
    ),
    Contestant(
        name="fastapi",
        title="FastAPI",
        kind="framework",
        server="uvicorn",
        access="asyncpg",
        environment="fastapi",
        command=(*UVICORN, "fastapi_alone:app"),
        shown=("fastapi", "uvicorn", "asyncpg"),
    ),
    Contestant(
        name="aiohttp",
        title="aiohttp",
        kind="framework",
        server="its own, on uvloop",
        access="asyncpg",
        environment="aiohttp",
        command=("python", "aiohttp_asyncpg.py", "{port}"),
        shown=("aiohttp", "uvloop", "asyncpg"),
    ),
    Contestant(
        name="quart",
        title="Quart",
        kind="framework",
        server="hypercorn, on uvloop",
        access="asyncpg",
        environment="quart",
        command=(
            *("python", "-m", "hypercorn", "--worker-class", "uvloop", "--bind", "127.0.0.1:{port}"),
            "quart_asyncpg:app",
        ),
        shown=("quart", "hypercorn", "asyncpg"),
    ),
    SERVICE,
    Contestant(
        name="textbook",
        title="FastAPI as in the tutorials",
        kind="textbook",
        server="uvicorn",
        access="SQLAlchemy's session",
        environment="fastapi",
        command=(*UVICORN, "textbook:app"),
        shown=("fastapi", "sqlalchemy", "uvicorn"),
    ),
    Contestant(
        name="s3rius",
        title="s3rius' fastapi-template",
        kind="peer",
        server="gunicorn, logs on",
        access="SQLAlchemy's session",
        environment="s3rius",
        command=("python", "-m", "peer"),
        shown=("fastapi-template", "fastapi", "sqlalchemy", "gunicorn", "uvicorn"),
        orders="/api/orders",
        livez="/api/health",
    ),
    Contestant(
        name="django-uvicorn",
        title="Django",
        kind="peer",
        server="uvicorn",
        access="Django's ORM",
        environment="django",
        command=(*UVICORN, "--lifespan", "off", "django_orm:application"),
        shown=("django", "psycopg", "uvicorn"),
    ),
    Contestant(
        name="django-daphne",
        title="Django",
        kind="peer",
        server="daphne",
        access="Django's ORM",
        environment="django",
        command=("python", "-m", "daphne", "-v", "0", "-p", "{port}", "django_orm:application"),
        shown=("django", "psycopg", "daphne"),
    ),
)
