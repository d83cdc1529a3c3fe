"""The migrations: upgrade and downgrade, and no difference from the models."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def _config(project: Path) -> Config:
    return Config(toml_file=project / "pyproject.toml")


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


async def _tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows} - {"alembic_version"}


def test_there_is_one_head(project: Path) -> None:
    assert len(ScriptDirectory.from_config(_config(project)).get_heads()) <= 1


async def test_up_down_up_leaves_nothing_and_the_models_in_step(empty: asyncpg.Connection, project: Path) -> None:
    config = _config(project)
    await asyncio.to_thread(command.upgrade, config, "head")
    there = await _tables(empty)
    await asyncio.to_thread(command.downgrade, config, "base")
    assert await _tables(empty) == set()
    await asyncio.to_thread(command.upgrade, config, "head")
    assert await _tables(empty) == there
    await asyncio.to_thread(command.check, config)  # Raises if the models and the migrations differ.
