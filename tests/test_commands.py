"""The commands of the documents, run as written, from a clone on a machine with Python, pip and make."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.services import (
    call,
    free_address,
    fresh_machine,
    press_ctrl_c,
    run,
    started,
    wait_for,
    with_uv,
)

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def clone(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A copy: what other tests bake of a repository would be linked to it.
    folder = shutil.copytree(baker.template, tmp_path_factory.mktemp("repository") / "template")
    environment = baker.environment(folder)
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "All of it"]):
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True)
    return folder


def commands(path: Path) -> list[str]:
    return "".join(re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL)).splitlines()


@pytest.mark.slow
def test_the_two_commands_of_the_template(clone: Path, tmp_path: Path) -> None:
    address = free_address()
    machine = fresh_machine(tmp_path) | {"APP_SERVER__BIND": address}
    demo, test = commands(clone / "README.md")

    with started(*demo.split(), cwd=clone, environment=machine) as process:
        wait_for(f"http://{address}/docs", process, within=1500)
        order = {"reference": "1", "amount": "1", "currency": "JPY"}
        placed = call("POST", f"http://{address}/v1/orders", order)
        said = press_ctrl_c(process)

    assert placed.status == 201
    assert "Running `make dev`" in said
    assert "Traceback" not in said
    assert clone / ".uv/bin/uv" in clone.glob(".uv/bin/*")
    # The second is what runs this very test.
    assert "pytest" in run(*test.split(), "--dry-run", cwd=clone, environment=machine)
    status = subprocess.check_output(["git", "status", "--porcelain"], cwd=clone, text=True)
    assert status == ""


def test_a_maintainer_bakes_twice_in_one_place(clone: Path, tmp_path: Path) -> None:
    machine = with_uv(fresh_machine(tmp_path))
    first = made(run("make", "bake", cwd=clone, environment=machine))
    (first / ".venv").mkdir()
    (first / "stale.py").touch()

    answers = "ANSWERS=license=Proprietary owner='Me & You'"
    second = made(run("make", "bake", answers, cwd=clone, environment=machine))

    assert second == first
    assert first.is_relative_to(machine["HOME"])
    assert (second / ".venv").is_dir()
    assert not (second / "stale.py").exists()
    assert "Me & You" in (second / "LICENSE").read_text()


def made(said: str) -> Path:
    found = re.search(r"^Made (.*) in \d+\.\d s$", said, re.MULTILINE)
    assert found, said
    return Path(found[1])


def test_a_refused_answer_leaves_the_last_bake_alone(clone: Path, tmp_path: Path) -> None:
    machine = with_uv(fresh_machine(tmp_path))
    service = made(run("make", "bake", cwd=clone, environment=machine))

    refused = {"license=GPL": "GPL provided", "project_slug=A": "project_slug: 'A'", "x": "name=value"}
    for answer, why in refused.items():
        with started("make", "bake", f"ANSWERS={answer}", cwd=clone, environment=machine) as process:
            said, _ = process.communicate(timeout=300)
        assert (process.returncode, why in said, "Traceback" in said) == (2, True, False), said

    assert (service / "pyproject.toml").exists()
    assert [path.name for path in service.parent.parent.iterdir()] == ["bake"]


@pytest.mark.slow
def test_an_endpoint_and_a_feature_are_added_as_the_documents_say(
    baker: Baker, machine: dict[str, str], tmp_path: Path
) -> None:
    service = baker.bake(tmp_path)
    endpoint, feature = (section(service, name, title) for name, title in BY_HAND.items())
    [(router, content), *_] = FILE.findall(endpoint)
    write(service / router, content)
    write(service / "tests/statistics/test_statistics.py", TEST)
    add(service / "src/app/main.py", "from app.statistics.router import router as statistics", "statistics")
    files = dict(FILE.findall(feature))
    assert len(files) == 4
    imported, included = files.pop("src/app/main.py").strip("\n").split("\n\n")
    add(service / "src/app/main.py", imported, included.strip().removeprefix("app.include_router(")[:-1])
    for name, content in files.items():
        write(service / name, content)

    commands = re.findall(r"^make .*$", feature, re.MULTILINE)
    for command in commands:
        run(*command.split(), cwd=service, environment=machine, within=1500)

    assert commands[-1] == "make check"
    assert "`make check`" in endpoint
    assert len(list((service / "migrations/versions").glob("*_customers.py"))) == 1


BY_HAND = {"docs/add-a-feature.md": "Add an endpoint", "docs/resources.md": "By hand"}
FILE = re.compile(r"`((?:src|tests)/[\w/]+\.py)`(?:(?!`src).)*?```python\n(.*?)```", re.DOTALL)
TEST = """from httpx2 import AsyncClient

from tests.factories import new_order


async def test_orders_are_counted(client: AsyncClient) -> None:
    await client.post("/v1/orders", json=new_order())

    assert (await client.get("/v1/statistics")).json() == {"orders": 1}
"""


def section(service: Path, document: str, title: str) -> str:
    return (service / document).read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def write(path: Path, content: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)


def add(main: Path, imported: str, router: str) -> None:
    """Put the lines where the documents say: beside the other imports and routers."""
    text = main.read_text()
    text = text.replace("from app.lifespan import", f"{imported}\nfrom app.lifespan import", 1)
    orders = "    app.include_router(orders)\n"
    main.write_text(text.replace(orders, f"{orders}    app.include_router({router})\n"))


def test_the_commands_of_a_service(service: Path, machine: dict[str, str]) -> None:
    address = free_address()
    machine = machine | {"APP_SERVER__BIND": address}
    listed = set(re.findall(r"`make ([a-z-]+)", section(service, "README.md", "Commands")))
    before = contents(service)

    said = run("make", cwd=service, environment=machine)
    assert listed == set(re.findall(r"^  make ([a-z-]+) ", said, re.MULTILINE))
    with started("make", "dev", cwd=service, environment=machine) as process:
        wait_for(f"http://{address}/readyz", process)
        run("make", "downgrade", cwd=service, environment=machine)
        assert call("GET", f"http://{address}/v1/orders").status == 500, "there is no table"
        run("make", "migrate", cwd=service, environment=machine)
        call("POST", f"http://{address}/v1/orders", {"reference": "1", "amount": "1", "currency": "JPY"})
        run("make", "reset", cwd=service, environment=machine)
        assert call("GET", f"http://{address}/v1/orders").json["items"] == []
        press_ctrl_c(process)
    with started("make", "serve", cwd=service, environment=machine) as process:
        wait_for(f"http://{address}/readyz", process)
        press_ctrl_c(process)
    run("make", "format", cwd=service, environment=machine)

    assert contents(service) == before


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")
def test_the_calls_in_the_readme_of_a_service(service: Path, machine: dict[str, str]) -> None:
    address = free_address()
    calls = [each for each in commands(service / "README.md") if each.startswith("curl")]
    with started("make", "dev", cwd=service, environment=machine | {"APP_SERVER__BIND": address}) as process:
        wait_for(f"http://{address}/readyz", process)
        for each in calls:
            here = each.replace("localhost:8000", address)
            said = run("sh", "-c", here, cwd=service, environment=machine)
            assert re.search(r"^HTTP/1.1 20[01] ", said, re.MULTILINE), each
        press_ctrl_c(process)
    assert len(calls) == 3


def contents(service: Path) -> dict[str, str]:
    sources = [
        *service.glob("*.toml"),
        *(path for name in ("src", "tests", "migrations") for path in (service / name).rglob("*.py")),
    ]
    return {str(path): path.read_text() for path in sources}
