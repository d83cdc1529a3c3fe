"""`make check-chassis`: where it runs nothing. The template's tests run it as a whole."""

import shutil
import subprocess
from pathlib import Path

import pytest

from chassis.dev import check_chassis, git
from chassis.dev.terminal import CommandError

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a chassis of one file, whose steps would fail."""
    for command in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "One"]):
        identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    (tmp_path / "chassis").mkdir()
    monkeypatch.setattr(check_chassis, "FOLDER", tmp_path / "chassis")
    monkeypatch.setattr(check_chassis, "STEPS", (("false",),))
    monkeypatch.setattr(git, "PROJECT", tmp_path)
    monkeypatch.setenv("UV", "false")
    monkeypatch.setenv("base", "main")
    return tmp_path


@pytest.mark.usefixtures("service")
def test_what_does_not_matter_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_chassis.main() == 0
    assert capsys.readouterr().out == "The chassis and its environment do not differ from main\n"


@pytest.mark.parametrize("name", ["chassis/a.py", "uv.lock", ".python-version"])
def test_what_matters_runs_it(service: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (service / name).touch()
    assert check_chassis.main() == 1
    assert capsys.readouterr().err == "In chassis/: false failed\n"


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("base", ["", "0" * 40])
def test_without_a_version_to_compare_with_it_runs(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("base", base)
    assert check_chassis.main() == 1


@pytest.mark.usefixtures("service")
def test_a_version_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("base", "v9")
    with pytest.raises(CommandError, match="There is no version v9 to compare with"):
        check_chassis.main()


def test_a_published_chassis_is_checked_elsewhere(service: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (service / "chassis").rmdir()
    assert check_chassis.main() == 0
    assert "installs a published chassis" in capsys.readouterr().out
