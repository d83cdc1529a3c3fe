"""A PostgreSQL of the tests' own, on a port of 127.0.0.1, that can be ended, frozen and filled in many ways.

The baked service's development server runs it, in a process that ends it when we end, in whatever way.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from tests.services import free_address

_RUN = """
import sys
from pathlib import Path
from chassis.dev.postgres import running_server
home, port = sys.argv[1:]
# Safe from crashes of PostgreSQL, which we cause, and not from those of the machine, which take their time.
with running_server(Path(home), listen_addresses="127.0.0.1", port=port, fsync="off") as server:
    print(server.process.pid, flush=True)
    sys.stdin.read()
"""

_OTHERS = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
# Each look at the table is a new snapshot: the end of the slowness is seen by those that wait.
_SLOW = """
CREATE TABLE IF NOT EXISTS slowness AS SELECT 0::float AS seconds;
CREATE OR REPLACE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        WHILE clock_timestamp() < statement_timestamp() + (SELECT seconds FROM slowness) * interval '1 s' LOOP
            PERFORM pg_sleep(0.05);
        END LOOP;
        RETURN NEW;
    END
$$;
CREATE OR REPLACE TRIGGER slow BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION slow_down();
"""


class Postgres:
    def __init__(self, service: Path) -> None:
        self.service = service
        self.python = service / ".venv/bin/python"
        self.port = free_address().rpartition(":")[2]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.home = Path(tempfile.mkdtemp(prefix="postgres-chaos-"))
        self.home.chmod(0o711)  # As root we start it as another user.

    def start(self) -> None:
        command = [str(self.python), "-c", _RUN, str(self.home), self.port]
        self.runner = subprocess.Popen(
            command, cwd=self.service, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.runner.stdout
        said = self.runner.stdout.readline()
        assert said.strip().isdecimal(), (self.home / "log").read_text()
        self.pid = int(said)

    def migrate(self) -> None:
        command = [str(self.python), "-m", "alembic", "upgrade", "head"]
        environment = os.environ | {"APP_DATABASE__URL": self.url}
        subprocess.run(command, cwd=self.service, env=environment, check=True, timeout=300)

    def stop(self, *, at_once: bool = False) -> None:
        """End it and its connections; `at_once`: as a crash, with recovery at the next start."""
        if at_once:
            os.kill(self.pid, signal.SIGQUIT)
        self.runner.communicate(timeout=300)

    def signal(self, number: signal.Signals) -> None:
        """Send it to the server and all of its processes; to the server first, which else starts more."""
        os.kill(self.pid, number)
        for child in _children(self.pid):
            os.kill(child, number)

    def close(self) -> None:
        if self.runner.poll() is None:
            self.signal(signal.SIGCONT)
            self.stop()
        shutil.rmtree(self.home)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(self.url)  # type: ignore[no-untyped-call]  # asyncpg ships no types for it.
        try:
            yield connection
        finally:
            await connection.close()

    async def orders(self, prefix: str) -> dict[str, UUID]:
        async with self.session() as session:
            rows = await session.fetch(
                "SELECT reference, id FROM orders WHERE starts_with(reference, $1)", prefix
            )
        found = {row["reference"]: UUID(str(row["id"])) for row in rows}
        assert len(found) == len(rows)
        return found

    async def connections(self) -> int:
        """Count those of others."""
        async with self.session() as session:
            count: int = await session.fetchval(f"SELECT count(*) {_OTHERS}")
        return count

    async def nobody_connected(self) -> None:
        async with asyncio.timeout(
            5
        ):  # A connection's process needs a moment to see that its client has gone.
            while await self.connections():
                pass

    async def ready(self) -> None:
        """Wait until it takes connections."""
        async with asyncio.timeout(30):
            while True:
                try:
                    async with self.session():
                        return
                except (OSError, asyncpg.exceptions.PostgresError):
                    await asyncio.sleep(0.05)

    async def kill_one(self) -> None:
        async with self.session() as session:
            pid = await session.fetchval(f"SELECT min(pid) {_OTHERS}")
        os.kill(pid, signal.SIGKILL)

    async def terminate_others(self, session: Any) -> None:
        await session.execute(f"SELECT pg_terminate_backend(pid) {_OTHERS}")

    @asynccontextmanager
    async def slow_orders(self, seconds: float) -> AsyncIterator[None]:
        """Let each new order take so long; at the end those that wait go on at once."""
        async with self.session() as session:
            await session.execute(_SLOW)
            await session.execute("UPDATE slowness SET seconds = $1", seconds)
            try:
                yield
            finally:
                await session.execute("UPDATE slowness SET seconds = 0")

    @asynccontextmanager
    async def crowded(self) -> AsyncIterator[None]:
        """Take every connection that is left; then end those of the others, and be quicker."""
        async with AsyncExitStack() as stack:
            keeper = await stack.enter_async_context(self.session())
            ours = await keeper.fetchval("SELECT array[pg_backend_pid()]")
            refused = 0
            while refused < 50:
                try:
                    session = await stack.enter_async_context(self.session())
                    ours.append(await session.fetchval("SELECT pg_backend_pid()"))
                except asyncpg.TooManyConnectionsError:
                    refused += 1
                    await keeper.execute(
                        f"SELECT pg_terminate_backend(pid) {_OTHERS} AND pid <> ALL($1)", ours
                    )
            yield


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # It has just ended.
        if parent == pid:
            found.append(int(status.parent.name))
    return found
