"""The service as a process: what a user calls, and what a supervisor sees."""

import subprocess
import sys

import pytest

from tests.rates_api import RatesAPI
from tests.server_process import ROOT, SERVICE_APP, ServerProcess

pytestmark = pytest.mark.timeout(300)


def test_a_service_without_its_database_starts() -> None:
    with ServerProcess({"APP_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/nothing"}, SERVICE_APP) as server:
        assert server.status("/readyz") == 503


@pytest.mark.parametrize("command", [("gunicorn",), ("uvicorn", "--factory", "app.main:create_app", "--port={port}")])
def test_wrong_settings_end_the_start_with_a_line_each_and_exit_code_78(command: tuple[str, ...]) -> None:
    wrong = {"APP_DATABASE__URL": "mysql://u:hunter2@h/d", "APP_FOO": "1"}
    server = ServerProcess(wrong, command=command).start()
    assert server.wait() == 78
    assert server.lines == [
        "configuration: APP_FOO: no setting has this name",
        "configuration: APP_DATABASE__URL: is not a PostgreSQL URL, for example postgresql://user@localhost:5432/name",
    ]
    server.close()


def test_the_service_keeps_the_promises_of_its_document(emptied_url: str, rates_api: RatesAPI) -> None:
    """Schemathesis draws requests, right and wrong ones, from the OpenAPI document, and checks the answers."""
    variables = {
        "APP_DATABASE__URL": emptied_url,
        "APP_EXCHANGE_RATES__BASE_URL": rates_api.url,
    }
    with ServerProcess(variables, SERVICE_APP) as server:
        program = [sys.executable, "-m", "schemathesis.cli", "--config-file=tests/schemathesis.toml"]
        command = [*program, "run", f"{server.url}/openapi.json", "--checks=all"]
        options = ["--max-examples=8", "--seed=1", "--no-color", "--workers=1"]
        run = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
