"""Which migrations are new is asked of Git."""

import shutil
import subprocess
from pathlib import Path

import pytest

from chassis.dev import git

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(git, "PROJECT", tmp_path)
    (tmp_path / "versions").mkdir()
    run(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "versions/one.py")
    return tmp_path


def run(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


def commit(folder: Path, name: str) -> None:
    (folder / name).touch()
    run(folder, "add", ".")
    run(folder, "commit", "-q", "-m", name)


def test_what_is_new_on_a_branch_committed_or_not(repository: Path) -> None:
    run(repository, "switch", "-q", "-c", "branch")
    commit(repository, "versions/two.py")
    (repository / "versions/three.py").touch()
    assert git.added_since("main", "versions") == {"versions/two.py", "versions/three.py"}


def test_what_main_has_gained_meanwhile_is_not_ours(repository: Path) -> None:
    run(repository, "branch", "branch")
    commit(repository, "versions/theirs.py")
    run(repository, "switch", "-q", "branch")
    commit(repository, "versions/ours.py")
    assert git.added_since("main", "versions") == {"versions/ours.py"}


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("revision", "there"), [("main", True), ("HEAD", True), ("0" * 40, False), ("--all", False), ("", False)]
)
def test_whether_a_revision_exists(revision: str, *, there: bool) -> None:
    assert git.exists(revision) == there


@pytest.mark.parametrize(
    ("path", "how", "changed"),
    [
        ("versions/one.py", "edit", True),
        ("versions/two.py", "add", True),
        ("versions/two.py", "commit", True),
        ("elsewhere.py", "add", False),
        ("elsewhere.py", "commit", False),
    ],
)
def test_whether_something_has_changed_on_a_branch(repository: Path, path: str, how: str, *, changed: bool) -> None:
    run(repository, "switch", "-q", "-c", "branch")
    assert not git.is_changed_since("main", ("versions",))

    (repository / path).write_text("changed")
    if how == "commit":
        commit(repository, path)

    assert git.is_changed_since("main", ("versions",)) == changed
