"""The PostgreSQL of the tests: one server for the run, and a database of its own for each worker.

The server is the one that `TEST_DATABASE_URL` names, or else a throwaway one that ends with the run, however the run
ends. With pytest-xdist the controller starts it, and hands its URL to the workers.
"""

import asyncio
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import asyncpg
import pytest
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from chassis.dev.database import without_password
from chassis.dev.postgres import THROWAWAY, running_server, temporary_home
from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError

VARIABLE = "TEST_DATABASE_URL"
CONNECT_SECONDS = 5.0

_running = pytest.StashKey[ExitStack]()
_url = pytest.StashKey[str]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker the server's URL; xdist calls this in the controller before it starts the worker."""
    node.workerinput[VARIABLE] = _start(node.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _running in config.stash:
        config.stash[_running].close()


@pytest.fixture(scope="session")
def server_url(pytestconfig: pytest.Config) -> str:
    """The URL of the server's own database, in which tests leave nothing."""
    given: dict[str, str] | None = getattr(pytestconfig, "workerinput", None)
    return given[VARIABLE] if given else _start(pytestconfig)


@pytest.fixture(scope="session")
def database_url(server_url: str, pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a new, empty database, which no other worker has."""
    worker = getattr(pytestconfig, "workerinput", {}).get("workerid", "main")
    # On a server that others share, the same name again for the same checkout: a run that was killed leaves nothing.
    checkout = hashlib.sha256(f"{socket.gethostname()} {PROJECT}".encode()).hexdigest()[:12]
    name = f"test_{checkout}_{worker}"
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    asyncio.run(_execute(server_url, drop, f"CREATE DATABASE {name} TEMPLATE template0"))
    yield _parsed(server_url).set(database=name).render_as_string(hide_password=False)
    asyncio.run(_execute(server_url, drop))


def _start(config: pytest.Config) -> str:
    """Start the server, or check that the one which is named answers; one line and the end of the run if not."""
    if _url not in config.stash:
        config.stash[_running] = ExitStack()
        try:
            config.stash[_url] = _named() or _throwaway(config.stash[_running])
        except CommandError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    return config.stash[_url]


def _throwaway(stack: ExitStack) -> str:
    home = stack.enter_context(temporary_home())
    return stack.enter_context(running_server(home, **THROWAWAY)).url


def _named() -> str | None:
    if not (given := os.environ.get(VARIABLE)):
        return None
    try:
        url = _parsed(given).render_as_string(hide_password=False)
    except ArgumentError:
        raise CommandError(f"{VARIABLE} is not a URL, for example postgresql://user@localhost:5432/postgres") from None
    try:
        asyncio.run(_execute(url, "SELECT 1"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or f"no answer within {CONNECT_SECONDS:g} s"
        raise CommandError(f"{VARIABLE} cannot be connected to: {without_password(url)}: {reason}") from None
    return url


def _parsed(url: str) -> URL:
    return make_url(url).set(drivername="postgresql")


def query(url: str, statement: str) -> Any:
    async def fetch() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(fetch())


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
