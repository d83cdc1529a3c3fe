"""The migrations: there and back, in step with the models, and done once by two who start at once."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

ROOT = Path(__file__).parents[1]
CONFIG = Config(toml_file=ROOT / "pyproject.toml")


@pytest.fixture
async def empty(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """An empty database beside that of the other tests, which Alembic finds by the settings."""
    name = f"migrations_{os.getpid()}"
    base, _, query = database_url.partition("?")
    url = f"{base.rpartition('/')[0]}/{name}?{query}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    monkeypatch.setenv("APP_DATABASE__URL", url)
    yield await asyncpg.connect(url)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def upgrade_in_a_process() -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows} - {"alembic_version"}


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(CONFIG).get_heads()) <= 1


async def test_up_down_up_leaves_nothing_and_the_models_in_step(empty: asyncpg.Connection) -> None:
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    there = await tables(empty)
    await asyncio.to_thread(command.downgrade, CONFIG, "base")
    assert await tables(empty) == set()
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    assert await tables(empty) == there
    await asyncio.to_thread(command.check, CONFIG)  # Raises where a model says what no migration does.


@pytest.mark.usefixtures("empty")
async def test_two_who_migrate_at_once_do_it_once() -> None:
    await asyncio.gather(upgrade_in_a_process(), upgrade_in_a_process())
    await asyncio.to_thread(command.check, CONFIG)


async def test_a_migration_waits_and_does_not_block_an_index_that_is_being_built(empty: asyncpg.Connection) -> None:
    source = (ROOT / "migrations/env.py").read_text()
    [lock] = re.findall(r"^LOCK = ([\d_]+)", source, re.MULTILINE)
    await empty.execute("SELECT pg_advisory_lock($1)", int(lock))
    waiting = asyncio.create_task(upgrade_in_a_process())
    while not await empty.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()"
        " AND datname = current_database()"  # Others migrate theirs meanwhile.
    ):
        await asyncio.sleep(0.05)
    await empty.execute("CREATE TABLE big (id int)")
    async with asyncio.timeout(60):
        await empty.execute("CREATE INDEX CONCURRENTLY ON big (id)")
    assert not waiting.done()
    await empty.close()
    assert "another process is migrating" in await waiting
