"""What `make resource` makes passes the service's checks: fixed resources all of them, drawn ones most."""

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from generator.names import plural_of
from tests.additions import begin_again
from tests.resources import FIELDS, FIXED, NAMES, commit
from tests.services import run

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(1800)]

# Names and fields of several resources, whose folders and classes are not one another's.
DRAWN = st.lists(
    st.tuples(NAMES, FIELDS), min_size=3, max_size=3, unique_by=lambda drawn: drawn[0].replace("_", "")
)


def add(service: Path, machine: dict[str, str], name: str, fields: str) -> None:
    run("make", "resource", f"name={name}", f"fields={fields}", cwd=service, environment=machine)
    commit(service, name)


def test_a_service_with_three_resources_passes_its_check(ours: Path, machine: dict[str, str]) -> None:
    """Of it are schemathesis over all routes, and the migrations up, down and in step with the models."""
    *commands, check = documented(ours)
    for command in commands:
        run(*shlex.split(command), cwd=ours, environment=machine)
    commit(ours, "Customers")
    for name, fields in FIXED.items():
        add(ours, machine, name, fields)

    run(*shlex.split(check), cwd=ours, environment=machine, within=1500)

    said = run("make", "check-migrations", cwd=ours, environment=machine)
    assert said == "5 migrations checked, and none of them blocks\n"


def documented(service: Path) -> list[str]:
    """The commands of the document on resources, which add customers."""
    block = re.findall(r"```sh\n(.*?)```", (service / "docs/resources.md").read_text(), re.DOTALL)[0]
    commands: list[str] = block.splitlines()
    assert [command.split()[1] for command in commands] == ["resource", "resource", "migrate", "check"]
    return commands


@settings(
    max_examples=2,
    phases=[Phase.generate],  # To make a failure smaller would take hours; `make resource` shows it alone.
    suppress_health_check=list(HealthCheck),
)
@given(drawn=DRAWN)
def test_drawn_resources_pass_theirs(
    ours: Path, machine: dict[str, str], drawn: list[tuple[str, str]]
) -> None:
    begin_again(ours)
    for name, fields in drawn:
        add(ours, machine, name, fields)

    for tool in ("ruff format --check .", "ruff check .", "mypy --no-error-summary"):
        run("uv", "run", *tool.split(), cwd=ours, environment=machine)
    theirs = [f"tests/{plural_of(name)}" for name, _ in drawn]
    tests = [*theirs, "tests/test_service.py"]
    said = run("uv", "run", "pytest", "-n", "2", *tests, cwd=ours, environment=machine)
    assert re.search(r"^\d+ passed in", said, re.MULTILINE)
