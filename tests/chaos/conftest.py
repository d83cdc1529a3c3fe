"""One baked service by its own gunicorn with two workers, and one PostgreSQL, for all faults."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.figures import Table
from tests.chaos.postgres import Postgres

POOL = 6  # Connections of each worker: fewer than there are clients, so that a fault can use them all up.

type Serve = Callable[[str], Any]


def pytest_sessionstart(session: pytest.Session) -> None:
    plugins = session.config.pluginmanager
    if terminal := plugins.get_plugin("terminalreporter"):
        plugins.register(Table(terminal))


@pytest.fixture(scope="session")
def serve(service: Path, server_process: Any) -> Serve:
    """Make servers of the baked service on a database."""

    def make(url: str) -> Any:
        settings = {
            "APP_DATABASE__URL": url,
            "APP_DATABASE__POOL_SIZE": str(POOL),
            "APP_SERVER__WORKERS": "2",
        }
        python = str(service / ".venv/bin/python")
        return server_process(settings, root=service, python=python)

    return make


@pytest.fixture(scope="session")
def postgres(service: Path) -> Iterator[Postgres]:
    postgres = Postgres(service)
    try:
        postgres.start()
        postgres.migrate()
        yield postgres
    finally:
        postgres.close()
