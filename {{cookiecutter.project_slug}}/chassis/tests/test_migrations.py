"""Migrations that two replicas start at once."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from chassis.migrations import LOCK
from chassis.testing.checks.migrations import empty

__all__ = ["empty"]

pytestmark = pytest.mark.usefixtures("unmeasured")


async def upgrade_in_a_process(project: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=project,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.usefixtures("empty")
async def test_two_who_migrate_at_once_do_it_once(project: Path) -> None:
    await asyncio.gather(upgrade_in_a_process(project), upgrade_in_a_process(project))
    await asyncio.to_thread(command.check, Config(toml_file=project / "pyproject.toml"))


async def test_a_migration_waits_and_does_not_block_an_index_that_is_being_built(
    empty: asyncpg.Connection, project: Path
) -> None:
    await empty.execute("SELECT pg_advisory_lock($1)", LOCK)
    waiting = asyncio.create_task(upgrade_in_a_process(project))
    async with asyncio.timeout(60):
        while not await empty.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock%'"
            " AND pid <> pg_backend_pid() AND datname = current_database()"  # Others migrate theirs meanwhile.
        ):
            assert not waiting.done(), await waiting
            await asyncio.sleep(0.05)
        await empty.execute("CREATE TABLE big (id int)")
        await empty.execute("CREATE INDEX CONCURRENTLY ON big (id)")
    assert not waiting.done()
    await empty.close()
    assert "another process is migrating" in await waiting


@pytest.mark.usefixtures("empty")
async def test_a_migration_needs_the_settings_of_the_database_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_SERVER__WORKERS", "many")
    monkeypatch.setenv("APP_FOO", "x")
    await upgrade_in_a_process(project)
    monkeypatch.setenv("APP_DATABASE__URLL", "x")
    with pytest.raises(AssertionError, match=r"^configuration: APP_DATABASE__URLL: no setting has this name\n"):
        await upgrade_in_a_process(project)
    assert "APP_DATABASE__URL" in os.environ
