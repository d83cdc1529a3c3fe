import os
import subprocess
import sys
from pathlib import Path

from chassis.dev.database import URL
from chassis.dev.postgres import THROWAWAY, running_server

SAY = f"import os; print(os.getpid(), os.environ['{URL}'])"


def with_database(project: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("APP_")} | variables
    arguments = [sys.executable, "-m", "dev.with_database", *command]
    return subprocess.Popen(arguments, cwd=project, env=environment, stdout=subprocess.PIPE, text=True)


def test_on_a_named_database_the_command_takes_our_place(project: Path) -> None:
    url = "postgresql://host/name"
    with with_database(project, sys.executable, "-c", SAY, APP_DATABASE__URL=url) as process:
        output, _ = process.communicate(timeout=60)

    assert output == f"{process.pid} {url}\n"


def test_a_server_that_runs_is_used(project: Path) -> None:
    home = project / ".postgres"
    with running_server(home, **THROWAWAY) as server, with_database(project, sys.executable, "-c", SAY) as process:
        output, _ = process.communicate(timeout=60)

    assert output.splitlines()[-1] == f"{process.pid} {server.url}"


def test_otherwise_one_is_started_and_migrated_and_the_exit_code_is_the_commands(project: Path) -> None:
    with with_database(project, sys.executable, "-c", f"{SAY}; raise SystemExit(7)") as process:
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 7
    assert "postgresql://postgres@/postgres?host=" in output
    assert not (project / ".postgres" / "data" / "postmaster.pid").exists()
