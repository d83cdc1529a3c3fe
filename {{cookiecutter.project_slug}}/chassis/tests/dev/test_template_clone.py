"""Where the template lies, and which of its versions a command wants."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from chassis.dev import template_clone
from chassis.dev.template_clone import Origin, commit_of, expanded, origin, with_commit
from chassis.dev.terminal import CommandError

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
    return subprocess.check_output(["git", *identity, *arguments], cwd=folder, text=True).strip()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Four commits, the first three of them tagged."""
    folder = tmp_path / "template"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for tag in ("v0.9.0", "v0.10.0", "v1.0.0-rc1", ""):
        (folder / "cookiecutter.json").write_text(json.dumps({"name": tag}))
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", "Next")
        if tag:
            git(folder, "tag", tag)
    return folder


def test_a_version_or_the_newest_release(template: Path) -> None:
    assert commit_of(template, "v0.9.0") == git(template, "rev-parse", "v0.9.0")
    assert commit_of(template, "") == commit_of(template, "v9") == git(template, "rev-parse", "v0.10.0")
    git(template, "tag", "--delete", "v0.9.0", "v0.10.0")
    assert commit_of(template, "") == git(template, "rev-parse", "HEAD")


def test_a_clone_that_lies_here_is_enough(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    commit = git(template, "rev-parse", "v0.9.0")
    assert with_commit(Origin(str(template), commit)) == template
    assert not (tmp_path / "cache").exists()

    cached = with_commit(Origin(f"file://{template}", commit))
    assert with_commit(Origin(f"file://{template}", commit)) == cached
    assert cached.is_relative_to(tmp_path / "cache")
    with pytest.raises(CommandError, match="has no commit 000000000000; type: make update"):
        with_commit(Origin(f"file://{template}", "0" * 40))


def test_abbreviations_are_those_of_cookiecutter() -> None:
    assert expanded("gh:ours/template") == "https://github.com/ours/template.git"
    assert expanded("https://git.example/template.git") == "https://git.example/template.git"
    assert expanded("/srv/template") == "/srv/template"


@pytest.mark.parametrize("text", ["{", "[]", '{"template": "x", "commit": "y"}'])
def test_a_damaged_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(template_clone, "PROJECT", tmp_path)
    with pytest.raises(CommandError, match="is not linked to its template"):
        origin()
    (tmp_path / ".cruft.json").write_text(text)
    with pytest.raises(CommandError, match="is damaged"):
        origin()
