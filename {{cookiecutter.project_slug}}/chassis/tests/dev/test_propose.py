"""`make propose`, with a repository to push to, and a gh that only notes how it was called."""

import shutil
import subprocess
from pathlib import Path

import pytest

from chassis.dev import propose
from tests.dev.programs import Programs

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")

DISPATCHED = "gh workflow run check.yml --ref update/images"
CREATED = "gh pr create --head update/images --title Pin images --body Made by a workflow."


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    programs = Programs(tmp_path, monkeypatch)
    programs.add("gh", {"pr list": (0, ""), "pr create": (0, "https://a.pull/1"), "workflow run": (0, "")})
    monkeypatch.setenv("branch", "update/images")
    monkeypatch.setenv("title", "Pin images")
    return programs


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "clone"
    monkeypatch.setattr(propose, "PROJECT", folder)
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin")
    git(tmp_path, "clone", "-q", "origin", "clone")
    (folder / "file").write_text("1")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "One")
    git(folder, "push", "-q", "origin", "HEAD:main")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main")
    return subprocess.check_output(["git", *identity, *arguments], cwd=folder, text=True, stderr=subprocess.DEVNULL)


def start_again(clone: Path, content: str) -> None:
    """As the next run does, from a checkout of main."""
    git(clone, "switch", "-q", "--detach", "origin/main")
    (clone / "file").write_text(content)


def proposed(clone: Path) -> str:
    return git(clone.parent / "origin", "show", "update/images:file")


def test_a_change_is_pushed_proposed_and_checked(gh: Programs, clone: Path) -> None:
    (clone / "file").write_text("2")
    assert propose.main() == 0
    assert proposed(clone) == "2"
    assert gh.calls[-2:] == [CREATED, DISPATCHED]
    assert git(clone, "show", "-s", "--format=%an %s", "update/images") == "github-actions[bot] Pin images\n"


def test_no_change_is_no_pull_request(gh: Programs, clone: Path) -> None:
    assert propose.main() == 0
    assert gh.calls == []
    assert git(clone, "ls-remote", "--heads", "origin", "update/images") == ""


def test_the_same_again_is_left_alone_and_another_takes_its_place(gh: Programs, clone: Path) -> None:
    (clone / "file").write_text("2")
    propose.main()
    before = len(gh.calls)
    start_again(clone, "2")
    assert propose.main() == 0
    assert len(gh.calls) == before

    gh.add("gh", {"pr list": (0, "7\n")})
    start_again(clone, "3")
    assert propose.main() == 0
    assert proposed(clone) == "3"
    assert gh.calls.count(CREATED) == 1
    assert gh.calls.count(DISPATCHED) == 2
