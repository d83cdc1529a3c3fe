"""`make check-api` on a repository of its own, whose older version has an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.dev import check_api
from chassis.dev.check_api import main
from chassis.dev.terminal import CommandError

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service of one file, committed; `uv` here runs this Python, as if it had made the environment."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(f'#!/bin/sh\nshift 3\nshift\nPYTHONPATH=src exec {sys.executable} "$@"\n')
    (tools / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "src")
    monkeypatch.delenv("UV", raising=False)
    project = tmp_path / "project"
    (project / "src/app").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[project]\n")
    (project / "src/app/__init__.py").touch()
    write(project, "/v1/things", "/v1/others")
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "One"]):
        git(project, *command)
    monkeypatch.setattr(check_api, "PROJECT", project)
    monkeypatch.setattr(check_api, "ACCEPTED", project / "docs/api-breaks.txt")
    monkeypatch.setattr("chassis.dev.git.PROJECT", project)
    monkeypatch.setenv("base", "main")
    return project


def git(project: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
    subprocess.run(["git", *identity, *arguments], cwd=project, check=True)


def write(project: Path, *paths: str) -> None:
    routes = "".join(f"    app.get({path!r})(lambda: None)\n" for path in paths)
    (project / "src/app/main.py").write_text(
        "from fastapi import FastAPI\n\n\ndef create_app():\n    app = FastAPI()\n    print('a log line')\n"
        f"{routes}    return app\n"
    )


def test_the_same_and_what_is_new(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(repository, "/v1/things", "/v1/others", "/v1/new")
    assert main() == 0
    assert capfd.readouterr().out == ""


def test_what_is_gone_is_named(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(repository, "/v1/things")
    assert main() == 1
    said = capfd.readouterr()
    assert said.out == "GET /v1/others: is gone\n"
    assert "docs/api-breaks.txt" in said.err


def test_a_break_that_is_meant(repository: Path) -> None:
    write(repository, "/v1/things")
    (repository / "docs").mkdir()
    (repository / "docs/api-breaks.txt").write_text("GET /v1/others: is gone  # Nobody has called it since May.\n")
    assert main() == 0


@pytest.mark.usefixtures("repository")
def test_a_version_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("base", "--all")
    with pytest.raises(CommandError, match="There is no version --all to compare with"):
        main()


@pytest.mark.usefixtures("repository")
def test_the_first_push_has_nothing_before_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("base", "0" * 40)
    assert main() == 0
    assert "no version before" in capfd.readouterr().out


def test_a_version_that_cannot_be_loaded_is_a_line(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (repository / "src/app/main.py").write_text("import nothing_of_this_name\n")
    reason = r"The API of this version cannot be loaded: ModuleNotFoundError: No module named .*\Z"
    with pytest.raises(CommandError, match=reason):
        main()
    assert capfd.readouterr() == ("", "")


def test_the_document_of_a_service(project: Path) -> None:
    said = subprocess.check_output([sys.executable, "-m", "chassis.dev.openapi"], cwd=project)
    document = json.loads(said)
    assert document["openapi"].startswith("3.")
    assert "/livez" in document["paths"]
