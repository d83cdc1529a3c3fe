"""One worker of the baked service with a real PostgreSQL, for one attack after another."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.hostile.watch import POOL
from tests.chaos.postgres import Postgres

SERVED = Path(__file__).parent / "served"

type Attacked = Callable[..., Any]


@pytest.fixture(scope="session")
def attacked(service: Path, postgres: Postgres, server_process: Any) -> Iterator[Attacked]:
    """Start servers with settings such as `MAX_CONCURRENCY=20`; `prefix` is a command that starts them.

    An attack that a server has survived without harm leaves it to the next one with the same settings.
    """
    own = {
        "APP_DATABASE__URL": postgres.url,
        "APP_DATABASE__POOL_SIZE": str(POOL),
        "APP_DATABASE__STATEMENT_TIMEOUT": "1",  # Below the deadlines of the tests.
        "APP_SERVER__WORKERS": "1",
        "PYTHONPATH": str(SERVED),
    }
    python = str(service / ".venv/bin/python")
    with ExitStack() as stack:
        running: list[tuple[object, Any]] = []

        def start(
            environment: dict[str, str] | None = None, prefix: tuple[str, ...] = (), **server: object
        ) -> Any:
            settings = {f"APP_SERVER__{name}": str(value) for name, value in server.items()}
            settings |= own | (environment or {})
            if running and running[0][0] == (settings, prefix) and running[0][1].process.poll() is None:
                return running[0][1]
            stack.close()
            process = server_process(settings, app="hostile_app:create_app()", root=service, python=python)
            process.command = [*prefix, *process.command]
            stack.enter_context(process)
            process.wait_for_log("startup complete")
            running[:] = [((settings, prefix), process)]
            return process

        yield start
