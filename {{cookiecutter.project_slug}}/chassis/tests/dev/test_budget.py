"""`make budget`, on a database that has little to give."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from chassis.dev import budget
from chassis.dev.terminal import CommandError


@pytest.fixture
def limited_url(migrated_url: str) -> Iterator[str]:
    asyncio.run(limit(migrated_url, 50))
    yield migrated_url
    asyncio.run(limit(migrated_url, -1))


async def limit(url: str, count: int) -> None:
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} CONNECTION LIMIT {count}")
    await connection.close()


@pytest.fixture
def settings(limited_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("APP_DATABASE__URL", limited_url)
    monkeypatch.setenv("APP_SERVER__WORKERS", "2")
    monkeypatch.setenv("APP_DATABASE__POOL_SIZE", "10")
    return monkeypatch


@pytest.mark.parametrize(
    ("replicas", "code", "said"),
    [
        ("1", 0, "2 workers x 10 connections x 1 replicas = 20; the database has 50 available"),
        ("2", 0, "together need up to 80"),
        ("3", 1, "Too few connections: lower APP_DATABASE__POOL_SIZE"),
    ],
)
def test_the_budget(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], replicas: str, code: int, said: str
) -> None:
    settings.setenv("APP_DATABASE__REPLICAS", replicas)
    assert budget.main() == code
    assert said in capsys.readouterr().out


def test_a_pooler_has_a_budget_of_its_own(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], limited_url: str
) -> None:
    settings.setenv("APP_DATABASE__PGBOUNCER", "true")
    settings.setenv("APP_DATABASE__URL", "postgresql://u@127.0.0.1:1/d")
    settings.setenv("APP_DATABASE__DIRECT_URL", limited_url)
    assert budget.main() == 0
    assert "max_client_conn" in capsys.readouterr().out


def test_a_database_that_cannot_be_reached_is_a_line(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("APP_DATABASE__URL", "postgresql://u:hunter2@127.0.0.1:1/d")
    with pytest.raises(CommandError, match=r"Cannot connect to the database: postgresql://u@127\.0\.0\.1:1/d: ") as end:
        budget.main()
    assert "hunter2" not in str(end.value)
