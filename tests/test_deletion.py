"""The examples of a service can be removed as docs/add-a-feature.md says, and all checks stay green."""

from pathlib import Path

import pytest

from tests.baking import Baker
from tests.removal import ORDERS, RATES, edit, remove, said
from tests.services import run

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.timeout(1800)]


def test_without_the_orders(baker: Baker, machine: dict[str, str], tmp_path: Path) -> None:
    service = baker.bake(tmp_path)
    _, orders = said(service)

    remove(orders, service)
    edit(service / "src/app/main.py", ORDERS)

    run("make", "format", cwd=service, environment=machine)
    run("make", "check", cwd=service, environment=machine, within=1500)


def test_without_the_exchange_rates(baker: Baker, machine: dict[str, str], tmp_path: Path) -> None:
    service = baker.bake(tmp_path)
    rates, _ = said(service)

    remove(rates, service)
    for path in [*service.glob("src/**/*.py"), *service.glob("tests/**/*.py")]:
        edit(path, RATES)
    settings = (service / ".env.example").read_text().split("\n\n")
    (service / ".env.example").write_text(
        "\n\n".join(part for part in settings if "EXCHANGE_RATES" not in part)
    )

    run("make", "format", cwd=service, environment=machine)
    run("make", "check", cwd=service, environment=machine, within=1500)
