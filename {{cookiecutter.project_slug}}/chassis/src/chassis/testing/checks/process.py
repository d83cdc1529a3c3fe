"""The service as a process: its API and its exit codes."""

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chassis.dev.project import settings_of
from chassis.testing._server_process import MEASURED, ServerProcess
from chassis.testing._stand_in import StandIn

OURS = Path(__file__).parents[1] / "schemathesis.toml"


def test_a_service_without_its_database_starts(project: Path) -> None:
    with ServerProcess({"APP_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/nothing"}, root=project) as server:
        assert server.status("/readyz") == 503


def test_wrong_settings_end_the_start_with_a_line_each_and_exit_code_78(project: Path) -> None:
    wrong = {"APP_DATABASE__URL": "mysql://u:hunter2@h/d", "APP_FOO": "1"}
    server = ServerProcess(wrong, root=project).start()
    assert server.wait() == 78
    assert server.lines == [
        "configuration: APP_FOO: no setting has this name",
        "configuration: APP_DATABASE__URL: is not a PostgreSQL URL, for example postgresql://user@localhost:5432/name",
    ]
    server.close()


@pytest.mark.timeout(300)
def test_the_service_keeps_the_promises_of_its_document(emptied_url: str, project: Path) -> None:
    """Schemathesis draws requests, right and wrong ones, from the OpenAPI document, and checks the answers.

    Where routes want a caller, a `tests/schemathesis.toml` of the service's own says how to be one.
    """
    theirs = project / "tests/schemathesis.toml"
    with ExitStack() as stack:
        variables = {"APP_DATABASE__URL": emptied_url}
        for kind in _stand_ins(project):
            variables |= stack.enter_context(kind.running()).variables
        server = stack.enter_context(ServerProcess(variables, root=project))
        config = theirs if theirs.exists() else OURS
        program = [sys.executable, "-m", "schemathesis.cli", f"--config-file={config}"]
        command = [*program, "run", f"{server.url}/openapi.json", "--checks=all"]
        options = ["--max-examples=8", "--seed=1", "--no-color", "--workers=1"]
        unmeasured = {name: value for name, value in os.environ.items() if name != MEASURED}
        run = subprocess.run(
            [*command, *options], cwd=project, env=unmeasured, capture_output=True, text=True, timeout=250, check=False
        )
    assert run.returncode == 0, run.stdout + run.stderr


def _stand_ins(project: Path) -> Iterator[type[StandIn]]:
    """Every API that the service calls and its tests have a stand-in for."""
    groups = settings_of(project).model_fields
    return (kind for kind in StandIn.__subclasses__() if not inspect.isabstract(kind) and kind.upstream in groups)
