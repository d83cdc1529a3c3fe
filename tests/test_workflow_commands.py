"""The gates of a service stop what they are for; tests/workflows/ shows what they pass."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.services import free_address, press_ctrl_c, run, started, wait_for

type Bash = Callable[..., str]


@pytest.fixture(scope="module")
def repository(baker: Baker, machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a service with its lock, committed as `main`: what a workflow has checked out."""
    service = baker.bake(tmp_path_factory.mktemp("repository"))
    run("uv", "lock", "--quiet", cwd=service, environment=machine)
    git = baker.environment(service)
    for command in (["init", "-q", "-b", "main"], ["add", "--all"], ["commit", "-q", "-m", "All of it"]):
        run("git", *command, cwd=service, environment=git)
    return service


@pytest.fixture
def bash(repository: Path, machine: dict[str, str]) -> Bash:
    """Run a line as GitHub does; it must end as expected."""

    def runs(line: str, code: int = 0, **variables: str) -> str:
        environment = machine | {"BASE": "main"} | variables
        command = ["bash", "-e", "-c", line]
        with started(*command, cwd=repository, environment=environment) as process:
            said, _ = process.communicate(timeout=300)
        assert process.returncode == code, f"{line}: {said}"
        return said

    return runs


@pytest.mark.timeout(600)
def test_the_gates_stop_what_breaks_clients_and_blocks_tables(bash: Bash, repository: Path) -> None:
    [orders] = (repository / "migrations/versions").glob("*_orders.py")
    text = orders.read_text().replace('revision = "ee98af4c8d97"', 'revision = "000000000001"')
    text = text.replace('"3f0c6f1d2a7e"', '"ee98af4c8d97"').split("def upgrade")[0]
    new = repository / "migrations/versions/2026_12_01_000000000001_more.py"
    new.write_text(f'{text}def upgrade() -> None:\n    op.drop_column("orders", "amount")\n')
    schemas = repository / "src/app/orders/schemas.py"
    before = schemas.read_text()
    project = repository / "pyproject.toml"
    metadata = project.read_text()
    try:
        assert "more.py: ban-drop-column" in bash('make check-migrations base="$BASE"', code=2)
        schemas.write_text(before.replace("reference:", "refers_to:", 1))
        assert schemas.read_text() != before
        assert re.search(
            r"^POST /v1/orders: body\.reference", bash('make check-api base="$BASE"', 2), re.MULTILINE
        )
        project.write_text(re.sub(r'"asyncpg>=[^"]+"', '"asyncpg"', metadata))
        bash("make check-lock", code=2)
    finally:
        new.unlink()
        schemas.write_text(before)
        project.write_text(metadata)


@pytest.mark.timeout(600)
def test_the_smoke_test_of_a_service_that_runs(bash: Bash, repository: Path, machine: dict[str, str]) -> None:
    address = free_address()
    environment = machine | {"APP_SERVER__BIND": address, "APP_SERVER__WORKERS": "1"}
    with started("make", "serve", cwd=repository, environment=environment) as process:
        wait_for(f"http://{address}/readyz", process)
        said = bash(f"make smoke url=http://{address}")
        press_ctrl_c(process)
    assert "/livez, /readyz, 404" in said
    assert "/v1/orders 200" in said
