"""`make up` and `make down`: which files `docker compose` gets, and what is rejected in one line."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dev.programs import Programs

WITHOUT_DOCKER = "there is no `docker` on the PATH, and this needs Docker with compose"
UP = "--wait --remove-orphans"


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    folder = tmp_path / "deploy/compose"
    folder.mkdir(parents=True)
    for name in ("dev", "queue", "scale", "swarm", "tls"):
        (folder / f"{name}.yaml").touch()
    return tmp_path


def make(
    service: Path, action: str, programs: Programs, monkeypatch: pytest.MonkeyPatch, **variables: str
) -> tuple[int, str, list[str]]:
    for name in ("with", "IMAGE"):
        monkeypatch.setenv(name, variables.get(name, ""))
    command = [sys.executable, "-m", "chassis.dev.compose", action]
    done = subprocess.run(command, cwd=service, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, programs.calls


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    programs = Programs(tmp_path, monkeypatch)
    programs.add("docker", {"compose": (0, "")})
    return programs


@pytest.mark.parametrize(
    ("names", "files"),
    [
        ("", ""),
        ("dev", " --file=deploy/compose/dev.yaml"),
        ("tls", " --file=deploy/compose/tls.yaml"),
        ("scale", " --file=deploy/compose/tls.yaml --file=deploy/compose/scale.yaml"),
        ("scale tls", " --file=deploy/compose/tls.yaml --file=deploy/compose/scale.yaml"),
        (" queue  tls", " --file=deploy/compose/queue.yaml --file=deploy/compose/tls.yaml"),
    ],
)
def test_up_with_overlays(
    service: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, names: str, files: str
) -> None:
    code, _, calls = make(service, "up", programs, monkeypatch, **{"with": names})

    assert code == 0
    assert calls == [f"docker compose --file=compose.yaml{files} up --build {UP}"]


def test_an_image_that_is_named_is_not_built(
    service: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, calls = make(service, "up", programs, monkeypatch, IMAGE="registry.example/orders@sha256:0")

    assert calls == [f"docker compose --file=compose.yaml up {UP}"]


def test_down_removes_the_containers_of_all_overlays_and_no_volume(
    service: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, calls = make(service, "down", programs, monkeypatch, **{"with": "tls"})

    assert calls == ["docker compose --file=compose.yaml down --remove-orphans"]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ("tsl", "There is no overlay 'tsl'. Choose from: with=dev, with=queue, with=scale, with=tls"),
        ("swarm", "There is no overlay 'swarm'. Choose from: with=dev, with=queue, with=scale, with=tls"),
        ("tls ../x", "There is no overlay '../x'. Choose from: with=dev, with=queue, with=scale, with=tls"),
        ("dev tls", "The overlay 'dev' cannot be combined with others: make up with=dev"),
    ],
)
def test_a_wrong_overlay_is_one_line(
    service: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, names: str, line: str
) -> None:
    assert make(service, "up", programs, monkeypatch, **{"with": names}) == (2, f"make up: {line}\n", [])


@pytest.mark.parametrize("action", ["up", "down"])
def test_without_docker(service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    programs = Programs(tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", str(programs.folder))
    assert not shutil.which("docker")

    code, said, _ = make(service, action, programs, monkeypatch)

    assert (code, said) == (2, f"make {action}: {WITHOUT_DOCKER}\n")
