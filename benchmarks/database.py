"""The one table of all contestants, in the PostgreSQL that the generated service brings along."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.environments import clean
from benchmarks.stopping import StoppedError

ROWS = 10_000
# Every commit would wait for the disk, which all contestants would share, and hide what differs between them.
SHARED = "ALTER DATABASE postgres SET synchronous_commit = off"
SEED = """
    INSERT INTO orders (id, reference, amount, currency, status, version)
    SELECT uuidv7(), 'seed-' || n, round((n % 10000) / 100.0, 2), 'EUR', 'placed', 1
    FROM generate_series($1::int, $2::int) AS n ORDER BY n
"""
# It ends by itself when we are gone, in whatever way.
WAITING = ("sh", "-c", 'echo "$APP_DATABASE__URL"; while kill -0 "$0" 2>/dev/null; do sleep 1; done')


class Database:
    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self.url = url
        self._runner = runner
        self._connection = runner.run(asyncpg.connect(url))  # type: ignore[no-untyped-call] # It ships no types.

    def ask(self, query: str, *values: object) -> Any:
        """Return the first value of the first row."""
        return self._runner.run(self._connection.fetchval(query, *values))

    def fill(self, rows: int = ROWS) -> None:
        """Empty the table and fill it with so many rows."""
        self.ask("TRUNCATE orders, idempotency_keys")
        self.grow(0, rows)

    def grow(self, rows: int, to: int) -> None:
        self.ask(SEED, rows + 1, to)
        self.settle()

    def forget_placed(self) -> None:
        """Remove what a round of inserts has left, so that the next finds the same table."""
        self.ask("DELETE FROM orders WHERE reference NOT LIKE 'seed-%'")
        self.settle()

    def settle(self) -> None:
        """Do now what PostgreSQL would otherwise do in the middle of a round."""
        self.ask("VACUUM (ANALYZE) orders")
        self.ask("CHECKPOINT")

    def one(self) -> str:
        """Return the id of an order in the middle."""
        return str(
            self.ask("SELECT id FROM orders ORDER BY id OFFSET (SELECT count(*) / 2 FROM orders) LIMIT 1")
        )

    def connections(self) -> int:
        """Return how many clients the server has but us."""
        return int(
            self.ask(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )

    def close(self) -> None:
        self._connection.terminate()  # Ctrl-C may have left a question open.


@contextmanager
def running(service: Path) -> Iterator[Database]:
    """Run the service's own PostgreSQL, migrated, for the length of the block."""
    command = [
        str(service / ".venv/bin/python"),
        "-m",
        "chassis.dev.with_database",
        *WAITING,
        str(os.getpid()),
    ]
    process = subprocess.Popen(
        command,
        cwd=service,
        env=clean(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is ours; we stop the servers first.
    )
    try:
        with asyncio.Runner() as runner:
            database = Database(_url(process), runner)
            database.ask(SHARED)
            try:
                yield database
            finally:
                database.close()
    finally:
        process.terminate()
        process.wait(60)


def _url(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stdout or ():
        if line.startswith("postgresql://"):
            return line.strip()
        said.append(line.strip())
    raise StoppedError(f"the database does not start: {' '.join(said[-3:])}")
