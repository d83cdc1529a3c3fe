"""Services of earlier versions, changed as people change them, get what is new by `make update`."""

import json
import re
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.histories import (
    CHANGES,
    CURRENT,
    HANDS,
    History,
    add_customers,
    commit,
    customise,
    delete_orders,
    make,
    replace,
)
from tests.services import run, started

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.timeout(1800)]

INSERT = "await c.execute(\"INSERT INTO customers VALUES (gen_random_uuid(), 'Ada')\")"
SELECT = "print(await c.fetch('SELECT name FROM customers'), await c.fetch('SELECT * FROM orders'))"
QUICK = ("test_main.py", "test_service.py", "orders/test_orders.py")
MARKS = re.compile(r"^(<<<<<<<|=======|>>>>>>>).*\n", re.MULTILINE)


@pytest.fixture(scope="module")
def machine(machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Add a cache for mypy that the services share, since most of what it reads is the same."""
    return machine | {"MYPY_CACHE_DIR": str(tmp_path_factory.mktemp("mypy"))}


def update(service: Path, machine: dict[str, str], *changed: str, code: int = 0) -> str:
    """Run `make update`; make makes a 2 of every failure, and its last line names the real code."""
    with started("make", "update", *changed, cwd=service, environment=machine) as process:
        said, _ = process.communicate(timeout=300)
    found = re.search(r"Error (\d)\n$", said)
    assert int(found[1] if found else 0) == code, said
    assert "Traceback" not in said
    return said


def in_database(service: Path, machine: dict[str, str], statement: str) -> str:
    program = (
        "import asyncio, asyncpg, os\nasync def main():\n"
        f" c = await asyncpg.connect(os.environ['APP_DATABASE__URL'])\n {statement}\n await c.close()\n"
        "asyncio.run(main())"
    )
    command = ["uv", "run", "--quiet", "python", "-m", "chassis.dev.with_database", "python", "-c", program]
    return run(*command, cwd=service, environment=machine)


def assert_checked(service: Path, machine: dict[str, str]) -> None:
    """Run the parts of `make check` that take seconds."""
    tests = [f"tests/{name}" for name in QUICK]
    for command in ("ruff format --check .", "ruff check .", "mypy", "pytest"):
        arguments = [*command.split(), *(tests if command == "pytest" else ())]
        run("uv", "run", "--quiet", *arguments, cwd=service, environment=machine)


def unmerged(past: History, service: Path) -> list[str]:
    return past.git("diff", "--name-only", "--diff-filter=U", cwd=service).splitlines()


def is_as_new(service: Path, fresh: Path, *names: str) -> bool:
    return all((service / name).read_bytes() == (fresh / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def fresh(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return baker.bake(tmp_path_factory.mktemp("fresh"))


def documented(service: Path, heading: str) -> list[str]:
    page = (service / "docs/updates.md").read_text()
    part = (
        page.partition(f"\n{heading}\n")[2].partition("\n## ")[0] if heading else page.partition("\n## ")[0]
    )
    return "".join(re.findall(r"```sh\n(.*?)```", part, re.DOTALL)).splitlines()


def test_without_orders_and_with_much_of_its_own(
    baker: Baker, past: History, machine: dict[str, str], tmp_path: Path, fresh: Path
) -> None:
    """Also what the page says, line by line, its `make check` included."""
    service = make(baker, past, "v0.2.0", tmp_path / "service", machine)
    customise(service)
    delete_orders(service)
    add_customers(service)
    run("make", "migration", "name=customers", cwd=service, environment=machine)
    run("make", "format", cwd=service, environment=machine)
    commit(past, service, machine)

    said = [run("sh", "-c", each, cwd=service, environment=machine, within=1500)
            for each in documented(service, "")]  # fmt: skip

    assert "v0.2.0 of its template, 2 releases behind v0.4.0" in said[0]
    assert CHANGES["v0.3.0"] in said[0]
    assert "Updated from v0.2.0 to v0.4.0" in said[1]
    assert past.git("status", "--porcelain", cwd=service) == ""
    state = json.loads((service / ".cruft.json").read_text())
    assert state["commit"] == past.git("rev-parse", CURRENT).strip()
    assert_has_both(service, fresh)
    listed = run("make", cwd=service, environment=machine)
    assert "make seed" in listed
    assert "make budget" in listed


def assert_has_both(service: Path, fresh: Path) -> None:
    """Look for what is new in the template, and for what was changed here."""
    assert not (service / "src/app/orders").exists()
    assert not (service / "chassis/src/chassis/etags.py").exists()
    assert (service / "docs/runbooks/first-hour.md").read_text().startswith("# The first hour\n")
    assert is_as_new(service, fresh, "chassis/src/chassis/pages.py", "chassis/src/chassis/preconditions.py")
    settings = (service / "src/app/settings.py").read_text()
    assert "    docs: bool" in settings
    assert "    greeting: str" in settings


def test_a_new_feature_beside_its_own_keeps_the_data(
    baker: Baker, past: History, machine: dict[str, str], tmp_path: Path, fresh: Path
) -> None:
    """Both have added a router in the same place, which is the one conflict, and a migration."""
    service = make(baker, past, "v0.1.0", tmp_path / "service", machine)
    customise(service)
    add_customers(service)
    run("make", "migration", "name=customers", cwd=service, environment=machine)
    run("make", "migrate", cwd=service, environment=machine)
    in_database(service, machine, INSERT)
    commit(past, service, machine)

    said = update(service, machine, code=1)

    assert HANDS["v0.2.0"] in said
    assert unmerged(past, service) == ["src/app/main.py"]
    assert "The last update or merge is not finished." in update(service, machine, code=2)
    main = service / "src/app/main.py"
    main.write_text(MARKS.sub("", main.read_text()))
    past.git("add", "--update", cwd=service)
    run("make", "migrate", cwd=service, environment=machine)
    assert "Ada" in in_database(service, machine, SELECT)
    assert is_as_new(service, fresh, "src/app/orders/router.py", "tests/orders/test_orders.py")
    assert_checked(service, machine)


def test_conflicts_only_where_both_have_changed_the_same_lines(
    baker: Baker, past: History, machine: dict[str, str], tmp_path: Path
) -> None:
    service = make(baker, past, "v0.3.0", tmp_path / "service", machine)
    customise(service)
    replace(service / "Dockerfile", ("USER 10001\n", "USER 4711\n"))
    commit(past, service, machine)
    before = (service / "Dockerfile").read_text()
    *settle, check, save, take_back = documented(service, "## Conflicts")

    assert "    Dockerfile\n" in update(service, machine, code=1)
    run(*take_back.split(), cwd=service, environment=machine)
    assert past.git("status", "--porcelain", cwd=service) == ""
    assert (service / "Dockerfile").read_text() == before
    update(service, machine, code=1)

    assert unmerged(past, service) == ["Dockerfile"]
    assert "<<<<<<< HEAD\nUSER 4711\n" in (service / "Dockerfile").read_text()
    assert check == "make check"  # As in the first test.
    (service / "Dockerfile").write_text(before)
    for command in (*settle, save):
        run("sh", "-c", command, cwd=service, environment=machine)
    assert past.git("status", "--porcelain", cwd=service) == ""
    changed = past.git("show", "--name-only", "--format=", cwd=service).splitlines()
    assert changed == [".cruft.json", "chassis/src/chassis/pages.py", "docs/runbooks/first-hour.md"]


def test_answers_change_with_an_update_and_without_one(
    baker: Baker, past: History, machine: dict[str, str], tmp_path: Path
) -> None:
    name = 'The "Bücher" & #1: 注文 🧾'
    service = make(baker, past, "v0.3.0", tmp_path / "service", machine, project_name=name)
    customise(service)
    commit(past, service, machine)

    [command] = documented(service, "## Other answers")
    run(*command.split(), cwd=service, environment=machine)
    commit(past, service, machine)
    assert (service / "deploy/kubernetes/base/deployment.yaml").exists()
    assert json.loads((service / ".cruft.json").read_text())["checkout"] == CURRENT

    update(service, machine, "kubernetes=no", "owner=Me & You's")
    assert not (service / "deploy/kubernetes").exists()
    assert "Me & You's" in (service / "LICENSE").read_text()
    context = json.loads((service / ".cruft.json").read_text())["context"]["cookiecutter"]
    assert (context["project_name"], context["owner"]) == (name, "Me & You's")
    assert unmerged(past, service) == []
