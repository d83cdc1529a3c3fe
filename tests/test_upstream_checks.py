"""What `make upstream` adds passes the service's checks, and needs neither the example nor its place."""

import re
import shlex
from pathlib import Path

import pytest

from tests.removal import RATES, edit, remove, said
from tests.resources import commit
from tests.services import run

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(1800)]


def blocks(service: Path, language: str) -> list[str]:
    text = (service / "docs/upstreams.md").read_text()
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found


def passes(service: Path, machine: dict[str, str], *tests: str) -> None:
    """Run what `make check` does, with these tests; the first hour's page runs those of all features."""
    for tool in ("ruff format --check .", "ruff check .", "mypy --no-error-summary"):
        run("uv", "run", *tool.split(), cwd=service, environment=machine)
    always = ("tests/test_service.py", "tests/test_main.py")
    run("uv", "run", "pytest", "-n", "2", *always, *tests, cwd=service, environment=machine)


def test_a_service_has_two_upstreams(ours: Path, machine: dict[str, str]) -> None:
    dry, added, check = map(shlex.split, blocks(ours, "sh")[0].splitlines())
    for command in (dry, added, ["make", "upstream", "name=crm"]):
        run(*command, cwd=ours, environment=machine)
        commit(ours, " ".join(command))

    assert check == ["make", "check"]
    passes(
        ours, machine, "tests/payments", "tests/crm", "tests/exchange_rates", "tests/orders/test_amounts.py"
    )


def test_beside_a_resource_and_without_the_example(ours: Path, machine: dict[str, str]) -> None:
    rates, _ = said(ours)
    remove(rates, ours)
    for path in [*ours.glob("src/**/*.py"), *ours.glob("tests/**/*.py")]:
        edit(path, RATES)
    example = (ours / ".env.example").read_text().split("\n\n")
    (ours / ".env.example").write_text("\n\n".join(part for part in example if "EXCHANGE_RATES" not in part))
    run("make", "format", cwd=ours, environment=machine)
    commit(ours, "No exchange rates")
    run("make", "resource", "name=customer", "fields=name:str", cwd=ours, environment=machine)
    commit(ours, "Customers")

    run("make", "upstream", "name=payments", cwd=ours, environment=machine)
    [router] = blocks(ours, "python")
    (ours / "src/app/payments/router.py").write_text(router)

    passes(ours, machine, "tests/payments", "tests/customers")
