"""One worker of the baked service with a real PostgreSQL, a fresh one for each attack."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.hostile.watch import POOL
from tests.chaos.postgres import Postgres

SERVED = Path(__file__).parent / "served"

type Attacked = Callable[..., Any]


@pytest.fixture
def attacked(service: Path, postgres: Postgres, server_process: Any) -> Iterator[Attacked]:
    """Start servers with settings such as `MAX_CONCURRENCY=20`; `prefix` is a command that starts them."""
    own = {
        "APP_DATABASE__URL": postgres.url,
        "APP_DATABASE__POOL_SIZE": str(POOL),
        "APP_DATABASE__STATEMENT_TIMEOUT": "1",  # Below the deadlines of the tests.
        "APP_SERVER__WORKERS": "1",
        "PYTHONPATH": str(SERVED),
    }
    with ExitStack() as stack:

        def start(
            environment: dict[str, str] | None = None, prefix: tuple[str, ...] = (), **server: object
        ) -> Any:
            settings = {f"APP_SERVER__{name}": str(value) for name, value in server.items()}
            process = server_process(
                own | settings | (environment or {}),
                app="hostile_app:create_app()",
                root=service,
                python=str(service / ".venv/bin/python"),
            )
            process.command = [*prefix, *process.command]
            stack.enter_context(process)
            process.wait_for_log("startup complete")
            return process

        yield start
