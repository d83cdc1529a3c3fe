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
    monkeypatch.setenv("patch", str(tmp_path / "change.patch"))
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


def change(clone: Path, content: str, *others: Path) -> None:
    """As the next run does: make a patch in another checkout of main, and start again from a checkout of main."""
    (clone / "file").write_text(content)
    git(clone, "add", "file", *map(str, others))
    patch = git(clone, "diff", "--binary", "origin/main")
    clone.with_name("change.patch").write_text(patch)
    for each in others:
        git(clone, "rm", "-q", "--cached", str(each))
        each.unlink()
    git(clone, "switch", "-q", "--force", "--detach", "origin/main")


def proposed(clone: Path, path: str = "file") -> str:
    return git(clone.parent / "origin", "show", f"update/images:{path}")


def test_a_change_is_pushed_proposed_and_checked(gh: Programs, clone: Path) -> None:
    change(clone, "2")

    assert propose.main() == 0

    assert proposed(clone) == "2"
    assert gh.calls[-2:] == [CREATED, DISPATCHED]
    shown = git(clone.parent / "origin", "show", "-s", "--format=%an %s", "update/images")
    assert shown == "github-actions[bot] Pin images\n"


def test_no_change_is_no_pull_request(gh: Programs, clone: Path) -> None:
    change(clone, "1")

    assert propose.main() == 0

    assert gh.calls == []
    assert git(clone, "ls-remote", "--heads", "origin", "update/images") == ""


def test_the_same_again_is_left_alone_and_another_takes_its_place(gh: Programs, clone: Path) -> None:
    change(clone, "2")
    propose.main()
    before = len(gh.calls)
    change(clone, "2")
    assert propose.main() == 0
    assert len(gh.calls) == before

    gh.add("gh", {"pr list": (0, "7\n")})
    change(clone, "3")
    assert propose.main() == 0
    assert proposed(clone) == "3"
    assert gh.calls.count(CREATED) == 1
    assert gh.calls.count(DISPATCHED) == 2


@pytest.mark.usefixtures("gh")
def test_nothing_of_a_patch_is_written_here(clone: Path) -> None:
    """A module, a Makefile or a filter of it would run with the token, and a symlink would lead elsewhere."""
    added = [clone / name for name in ("subprocess.py", "Makefile", ".gitattributes", "link")]
    for each in added[:2]:
        each.write_text("raise SystemExit\n")
    added[2].write_text("* filter=lfs\n")
    added[3].symlink_to("/etc")
    change(clone, "2", *added)

    assert propose.main() == 0

    assert sorted(path.name for path in clone.iterdir()) == [".git", "file"]
    assert (clone / "file").read_text() == "1"
    assert [proposed(clone, each.name) for each in added[1:]] == ["raise SystemExit\n", "* filter=lfs\n", "/etc"]


@pytest.mark.usefixtures("gh")
@pytest.mark.parametrize("path", [".git/hooks/pre-push", "../outside", "/etc/outside", "link/../../outside"])
def test_a_patch_of_files_outside_the_repository_is_refused(clone: Path, path: str) -> None:
    text = f"diff --git a/{path} b/{path}\nnew file mode 100755\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
    clone.with_name("change.patch").write_text(text)

    with pytest.raises(subprocess.CalledProcessError):
        propose.main()

    assert git(clone, "ls-remote", "--heads", "origin", "update/images") == ""
