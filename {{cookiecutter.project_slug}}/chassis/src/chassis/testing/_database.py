"""The database of the tests: this test worker's own, with the service's migrations."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import make_url

from chassis.database import Base, DatabaseSettings

PGBOUNCER = "TEST_PGBOUNCER"


@pytest.fixture(scope="session")
def migrated_url(database_url: str, project: Path) -> str:
    """The URL of this test worker's own database, with the real migrations applied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APP_DATABASE__URL", database_url)
        command.upgrade(Config(toml_file=project / "pyproject.toml"), "head")
    return database_url


@pytest.fixture
def database_settings(migrated_url: str) -> DatabaseSettings:
    return DatabaseSettings(
        url=SecretStr(_pooled(migrated_url)),
        pgbouncer=PGBOUNCER in os.environ,
        pool_size=5,
        connect_timeout=10,  # This machine may be busy.
    )


def _pooled(url: str) -> str:
    """Return the settings for the PgBouncer whose host:port the environment names, if any."""
    if PGBOUNCER not in os.environ:
        return url
    host, _, port = os.environ[PGBOUNCER].partition(":")
    through = make_url(url).set(host=host, port=int(port), query={})
    return through.render_as_string(hide_password=False)


@pytest.fixture
def emptied_url(migrated_url: str) -> Iterator[str]:
    """The database for another process, which commits; the tables are emptied after the test."""
    yield migrated_url
    asyncio.run(empty(migrated_url))


async def empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    for table in Base.metadata.tables:
        await connection.execute(f'TRUNCATE "{table}" CASCADE')
    await connection.close()
