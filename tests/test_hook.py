"""What happens once the files are there: the lock, where uv works and where not, and what to type next."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.baking import Baker

FAILS = "exit 127"
LOCKS = 'if [ "$1" = lock ]; then echo "$@" > uv.lock; echo resolving >&2; fi'
CANNOT_LOCK = 'if [ "$1" = lock ]; then echo "error: no network" >&2; exit 2; fi'
HANGS = 'if [ "$1" = lock ]; then echo hanging; exec sleep 50; fi'
NEXT = "\nNext:\n\n    cd order-service\n    make dev\n\n"


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a machine without uv: not on the PATH, not in Python."""
    module = tmp_path / "python" / "uv"  # Hides the one that the test environment may have.
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    (module / "__main__.py").write_text("raise SystemExit('No uv here')")
    (tmp_path / "bin").mkdir()
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    return {"SKIP_UV_LOCK": "", "UV": "", "PATH": path, "PYTHONPATH": str(module.parent)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def uv(machine: dict[str, str], does: str, name: str = "uv") -> str:
    program = Path(machine["PATH"].split(":")[0]) / name
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    return str(program)


def create(baker: Baker, cwd: Path, machine: dict[str, str], *options: str) -> str:
    command = ["cookiecutter", str(baker.template), "--no-input", *options]
    said = baker.run(*command, cwd=cwd, environment=machine)
    assert said.returncode == 0, said.stdout
    return said.stdout


def test_uv_locks_on_the_screen(baker: Baker, home: Path, machine: dict[str, str]) -> None:
    uv(machine, LOCKS)
    said = create(baker, home, machine)

    assert said == "Locking the dependencies (uv lock).\nresolving\n" + NEXT
    assert (home / "order-service" / "uv.lock").read_text() == f"lock --python {sys.executable}\n"


def test_a_shim_that_fails_is_passed_over(baker: Baker, home: Path, machine: dict[str, str]) -> None:
    uv(machine, FAILS)
    module = Path(machine["PYTHONPATH"]) / "uv" / "__main__.py"
    module.write_text(
        "import pathlib, sys\nif 'lock' in sys.argv: pathlib.Path('uv.lock').write_text('module')\n"
    )

    create(baker, home, machine)
    assert (home / "order-service" / "uv.lock").read_text() == "module"


def test_the_uv_that_runs_cookiecutter_comes_first(baker: Baker, home: Path, machine: dict[str, str]) -> None:
    uv(machine, FAILS)
    create(baker, home, machine | {"UV": uv(machine, LOCKS, "newer-uv")})
    assert (home / "order-service" / "uv.lock").exists()


@pytest.mark.parametrize("does", [None, FAILS])
def test_a_service_is_made_without_uv(
    baker: Baker, home: Path, machine: dict[str, str], does: str | None
) -> None:
    if does:
        uv(machine, does)
    said = create(baker, home, machine)

    assert said.startswith("There is no uv.lock yet, because uv does not run here. `make dev` ")
    assert said.endswith(NEXT)
    assert not (home / "order-service" / "uv.lock").exists()


def test_a_service_is_made_without_a_network(baker: Baker, home: Path, machine: dict[str, str]) -> None:
    uv(machine, CANNOT_LOCK)
    said = create(baker, home, machine)

    assert "\nerror: no network\nThere is no uv.lock yet. When there is a network, `make dev` " in said
    assert said.endswith(NEXT)


def test_a_lock_that_hangs_is_given_up(
    baker: Baker, home: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    template = shutil.copytree(baker.template, tmp_path / "template")
    hook = template / "hooks" / "post_gen_project.py"
    patient = hook.read_text()
    hook.write_text(patient.replace("LOCK_SECONDS = 120", "LOCK_SECONDS = 0.5"))
    assert hook.read_text() != patient
    uv(machine, HANGS)

    said = create(Baker(template, baker.home), home, machine)
    assert "hanging\nThere is no uv.lock yet" in said
    assert said.endswith(NEXT)


def test_ctrl_c_gives_up_the_lock_and_leaves_the_service_whole(
    baker: Baker, home: Path, machine: dict[str, str]
) -> None:
    uv(machine, HANGS)
    program = subprocess.Popen(
        [sys.executable, "-m", "cookiecutter", str(baker.template), "--no-input"],
        cwd=home,
        env=baker.environment(home) | machine,
        process_group=0,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with program:
        assert program.stdout
        said = program.stdout.readline() + program.stdout.readline()
        os.killpg(program.pid, signal.SIGINT)
        said += program.stdout.read()

    assert "hanging\nThere is no uv.lock yet" in said
    assert "Traceback" not in said
    assert (home / "order-service" / "LICENSE").exists()


def test_the_lock_can_be_left_out(baker: Baker, home: Path, machine: dict[str, str]) -> None:
    uv(machine, LOCKS)
    assert create(baker, home, machine | {"SKIP_UV_LOCK": "1"}) == NEXT
    assert not (home / "order-service" / "uv.lock").exists()


def test_the_next_command_finds_the_service(baker: Baker, home: Path, machine: dict[str, str]) -> None:
    machine["SKIP_UV_LOCK"] = "1"
    below = create(baker, home, machine, "--output-dir", "my services")
    assert "    cd 'my services/order-service'\n" in below

    beside = home.with_name("beside")
    said = create(baker, home, machine, "--output-dir", str(beside))
    assert f"    cd {beside}/order-service\n" in said


def test_a_service_can_be_made_again_over_the_old_one(
    baker: Baker, home: Path, machine: dict[str, str]
) -> None:
    machine["SKIP_UV_LOCK"] = "1"
    create(baker, home, machine)
    (home / "order-service" / "ours.txt").touch()
    create(baker, home, machine, "--overwrite-if-exists", "license=Apache-2.0")

    assert "Apache License" in (home / "order-service" / "LICENSE").read_text()
    assert (home / "order-service" / "ours.txt").exists()
    assert not (home / "order-service" / "licenses").exists()


def test_a_folder_whose_option_is_off_goes_and_what_is_ours_beside_it_stays(
    baker: Baker, home: Path, machine: dict[str, str]
) -> None:
    machine["SKIP_UV_LOCK"] = "1"
    create(baker, home, machine, "kubernetes=yes")
    deploy = home / "order-service" / "deploy"
    assert (deploy / "kubernetes" / "base").is_dir()
    (deploy / "ours.txt").touch()
    create(baker, home, machine, "--overwrite-if-exists", "kubernetes=no")

    assert (deploy / "ours.txt").exists()
    assert not (deploy / "kubernetes").exists()
    assert not (home / "order-service" / "docs" / "kubernetes.md").exists()
    assert (home / "order-service" / "docs" / "first-hour.md").exists()


@pytest.mark.skipif("UV" not in os.environ, reason="`uv run` names the uv that this takes")
def test_the_real_uv_locks_the_real_dependencies(baker: Baker, home: Path) -> None:
    create(baker, home, {"SKIP_UV_LOCK": ""}, "python_version=3.14")
    lock = (home / "order-service" / "uv.lock").read_text()
    assert 'name = "fastapi"' in lock
    assert 'name = "order-service"' in lock
