"""`make reset` and `make downgrade` on the database of `make dev`, running or not."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from chassis.dev.database import URL
from chassis.dev.postgres import THROWAWAY, running_server, url_of_running
from tests.places import EXAMPLE

FIRST = "3f0c6f1d2a7e"
SECOND = '''"""notes"""

from alembic import op

revision = "00000000000a"
down_revision = "3f0c6f1d2a7e"
branch_labels = depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE notes (text text)")


def downgrade() -> None:
    op.execute("DROP TABLE notes")
'''
TABLES = "SELECT string_agg(tablename, ' ' ORDER BY 1) FROM pg_tables WHERE schemaname = 'public'"
ALL = "alembic_version idempotency_keys notes"


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """A service of two migrations, whose database has both."""
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "service"))
    (folder / "migrations/versions/2026_11_22_00000000000a_notes.py").write_text(SECOND)
    assert make(folder, "reset")[0] == 0
    return folder


@pytest.fixture(params=["stopped", "running"])
def in_any_state(service: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Give the service whose database nobody runs, and one whose database another command runs."""
    if request.param == "stopped":
        yield service
        return
    with running_server(service / ".postgres", **THROWAWAY):
        yield service


def make(service: Path, target: str, **variables: str) -> tuple[int, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("APP_")}
    done = subprocess.run(
        [sys.executable, "-m", "chassis.dev.development_database", target],
        cwd=service,
        env=inherited | {"to": ""} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@contextmanager
def database(service: Path) -> Iterator[str]:
    """Give the URL of its database, whoever runs it."""
    home = service / ".postgres"
    if running := url_of_running(home):
        yield running
        return
    with running_server(home, **THROWAWAY) as server:
        yield server.url


def ask(url: str, statement: str) -> str:
    async def fetch() -> str:
        connection = await asyncpg.connect(url)
        try:
            return str(await connection.fetchval(statement))
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_a_reset_deletes_data_and_tables_and_applies_all_migrations(in_any_state: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/other"
    with database(in_any_state) as own:
        ask(own, "CREATE TABLE mine AS SELECT 1")

    code, said = make(in_any_state, "reset", APP_DATABASE__DIRECT_URL=url, app_database__direct_url=url)

    assert (code, said.splitlines()[-1]) == (0, "The database of `make dev` is empty, and has all migrations")
    with database(in_any_state) as own:
        assert ask(own, TABLES) == ALL


def test_a_reset_ends_the_connections_of_a_service_that_runs(service: Path) -> None:
    with running_server(service / ".postgres", **THROWAWAY) as server:
        held = subprocess.Popen([sys.executable, "-c", HOLD, server.url], stdout=subprocess.PIPE, text=True)
        with held:
            assert held.stdout
            assert held.stdout.readline() == "connected\n"
            code, said = make(service, "reset")
            assert code == 0, said
            assert held.stdout.readline() == "ended\n"
        assert ask(server.url, TABLES) == ALL


HOLD = """
import asyncio, asyncpg, sys
async def hold():
    ended = asyncio.Event()
    connection = await asyncpg.connect(sys.argv[1])
    connection.add_termination_listener(lambda _: ended.set())
    print("connected", flush=True)
    await ended.wait()
    print("ended", flush=True)
asyncio.run(hold())
"""


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_database_that_is_named_is_never_reset(service: Path, server_url: str, where: str) -> None:
    if where == ".env":
        (service / ".env").write_text(f"{URL}={server_url}\n")
    code, said = make(service, "reset", **({URL.lower(): server_url} if where == "environment" else {}))

    assert (code, said) == (
        1,
        f"make reset: this deletes only the database that `make dev` starts, and {URL} names another one\n",
    )


def test_a_downgrade_goes_back_one_step_at_a_time(in_any_state: Path) -> None:
    first = make(in_any_state, "downgrade")
    second = make(in_any_state, "downgrade")
    third = make(in_any_state, "downgrade")

    assert first[0] == 0, first
    assert first[1].splitlines()[1:] == [f"The database was at 00000000000a (head). Now it is at {FIRST}."]
    assert second[1].splitlines()[1:] == [f"The database was at {FIRST}. Now it is at no migration."]
    assert (third[0], third[1].splitlines()[1:]) == (
        1,
        ["make downgrade: the database has no migration to undo"],
    )


def test_a_downgrade_to_a_revision(in_any_state: Path) -> None:
    code, said = make(in_any_state, "downgrade", to="base")

    assert code == 0
    assert "Now it is at no migration." in said
    assert make(in_any_state, "downgrade")[0] == 1


def test_a_wrong_revision_is_one_line_and_changes_nothing(in_any_state: Path) -> None:
    code, said = make(in_any_state, "downgrade", to="nowhere")

    assert code == 1
    assert said.splitlines()[1:] == ["make downgrade: Can't locate revision identified by 'nowhere'"]
    assert "was at 00000000000a (head)" in make(in_any_state, "downgrade")[1]


def test_a_downgrade_of_a_database_that_is_named(service: Path) -> None:
    with running_server(service / ".postgres", **THROWAWAY) as server:
        code, said = make(service, "downgrade", **{URL: server.url})

        assert (code, len(said.splitlines())) == (0, 1)
        assert ask(server.url, TABLES) == "alembic_version idempotency_keys"


def test_a_database_that_cannot_be_reached_is_one_line(service: Path) -> None:
    code, said = make(service, "downgrade", **{URL: "postgresql://nobody:secret@127.0.0.1:1/none"})

    assert code == 1
    assert said.startswith("make downgrade: Cannot connect to the database: postgresql://nobody@127.0.0.1:1/none: ")
    assert len(said.splitlines()) == 1
