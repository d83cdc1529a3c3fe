"""The server that the tests themselves run on."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from chassis.dev.postgres import temporary_home
from chassis.dev.project import PROJECT
from chassis.testing._postgres import VARIABLE
from tests.dev.waiting import has_ended, wait_until

pytestmark = pytest.mark.usefixtures("unmeasured")

ASKING = """
import time
def test_database(database_url, request):
    (request.path.parent / "url").write_text(database_url)
    time.sleep(30)
"""


def pytest_command(test: Path, *options: str) -> list[str]:
    test.write_text(ASKING)
    plugins = ["-p", "chassis.testing._postgres", "-p", "no:schemathesis", "-c", os.devnull]
    return [sys.executable, "-m", "pytest", *plugins, *options, str(test)]


def test_a_server_that_does_not_answer_ends_the_run_with_a_line(tmp_path: Path) -> None:
    environment = os.environ | {VARIABLE: "postgresql://me:secret@127.0.0.1:1/tests"}
    command = pytest_command(tmp_path / "test_it.py", "-n1")

    run = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)

    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "TEST_DATABASE_URL cannot be connected to: postgresql://me@127.0.0.1:1/tests: " in run.stdout + run.stderr
    assert "secret" not in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_a_run_that_is_killed_leaves_no_server_and_the_next_removes_its_folder(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = pytest_command(tmp_path / "test_it.py")
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL) as run:
        wait_until(lambda: (tmp_path / "url").exists() and (tmp_path / "url").read_text(), 30)
        servers = [child.pid for child in psutil.Process(run.pid).children()]
        run.kill()

    assert len(servers) == 1
    wait_until(lambda: has_ended(servers[0]))
    home = Path(parse_qs(urlsplit((tmp_path / "url").read_text()).query)["host"][0]).parent
    assert home.exists()
    with temporary_home():
        assert not home.exists()
