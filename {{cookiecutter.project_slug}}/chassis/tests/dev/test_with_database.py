import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from chassis.dev.database import URL
from chassis.dev.postgres import THROWAWAY, running_server
from tests.dev.waiting import wait_until

SAY = f"import os; print(os.getpid(), os.environ['{URL}'])"


def with_database(copied: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("APP_")} | variables
    arguments = [sys.executable, "-m", "chassis.dev.with_database", *command]
    return subprocess.Popen(arguments, cwd=copied, env=environment, stdout=subprocess.PIPE, text=True)


def test_on_a_named_database_the_command_takes_our_place(copied: Path) -> None:
    url = "postgresql://host/name"
    with with_database(copied, sys.executable, "-c", SAY, APP_DATABASE__URL=url) as process:
        output, _ = process.communicate(timeout=60)

    assert output == f"{process.pid} {url}\n"


def test_a_server_that_runs_is_used(copied: Path) -> None:
    home = copied / ".postgres"
    with running_server(home, **THROWAWAY) as server, with_database(copied, sys.executable, "-c", SAY) as process:
        output, _ = process.communicate(timeout=60)

    assert output.splitlines()[-1].endswith(f" {server.url}")
    assert process.returncode == 0


def test_otherwise_one_is_started_and_migrated_and_the_exit_code_is_the_commands(copied: Path) -> None:
    with with_database(copied, sys.executable, "-c", f"{SAY}; raise SystemExit(7)") as process:
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 7
    assert "postgresql://postgres@/postgres?host=" in output
    assert not (copied / ".postgres" / "data" / "postmaster.pid").exists()


# Connects again and again, as a service does, and says in a file whether it could.
SERVE = """
import asyncio, asyncpg, os, pathlib
async def serve():
    for number in range(600):
        try:
            await (await asyncpg.connect(os.environ["APP_DATABASE__URL"])).close()
            pathlib.Path("said").write_text("connected")
        except (OSError, asyncpg.PostgresError):
            pathlib.Path("said").write_text("refused")
        await asyncio.sleep(0.05)
asyncio.run(serve())
"""


def test_a_command_that_outlives_the_server_it_uses_takes_it_over(copied: Path) -> None:
    """A `make serve` that was started while another one drained answered 503 for ever."""
    said = copied / "said"

    def says(text: str) -> bool:
        return said.exists() and said.read_text() == text

    with ExitStack() as other:
        other.enter_context(running_server(copied / ".postgres", **THROWAWAY))
        with with_database(copied, sys.executable, "-c", SERVE) as process:
            wait_until(lambda: says("connected"))
            other.close()
            said.write_text("")
            wait_until(lambda: says("connected"))
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)

    assert "PostgreSQL was started again" in output
    assert not (copied / ".postgres/data/postmaster.pid").exists()
