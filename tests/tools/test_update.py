"""`make update` and its like: the merge, in a repository of its own, and what they read and say around it.

tests/test_updates.py updates whole services.
"""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tools import changelog, merge, new_migrations, outdated, template, update
from tools.template import Template, checked, typed
from tools.terminal import CommandError, undisturbed

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")

FILES = {"kept": "1\n2\n3\n4\n5\n", "moved": "a\n" * 30, "gone/old": "x\n", "skipped": "1\n"}
OLD = "# Changelog\n\nWords.\n\n## 0.1.0 (unreleased)\n\n### What a service gets\n\n- One,\n  in two lines.\n"
NEW = """# Changelog

## 0.2.0 (2026-12-01)

### What a service gets

- Three
- Four

### What needs a hand

- `Makefile`: look.

## 0.1.0 (2026-11-30)

### What a service gets

- One,
  in two lines.
- Two
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main")
    return subprocess.check_output(["git", *identity, *arguments], cwd=folder, text=True)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All of it")


@pytest.fixture(params=[".", "services/orders"], ids=["alone", "among others"])
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A service with a template's files, alone in its repository or one of several."""
    repository = tmp_path / "repository"
    folder = write(repository / request.param, FILES | {"pyproject.toml": '[tool.cruft]\nskip = ["skip*"]\n'})
    (repository / "other").write_text("theirs")
    git(repository, "init", "--quiet")
    for module in (merge, template, update):
        monkeypatch.setattr(module, "PROJECT", folder)
    commit(repository)
    return folder


def bring(service: Path, tmp_path: Path, new: dict[str, str]) -> merge.Merged:
    shutil.rmtree(tmp_path / "trees", ignore_errors=True)
    before, after = (
        write(tmp_path / "trees" / name, files) for name, files in (("old", FILES), ("new", new))
    )
    assert service.is_dir()
    return merge.merge(before, after, "Update the template")


def test_what_was_moved_deleted_and_changed_here(service: Path, tmp_path: Path) -> None:
    write(service, {"kept": "1\n2\n3\n4\n5 ours\n"})
    (service / "moved").rename(service / "elsewhere")
    shutil.rmtree(service / "gone")
    commit(service)
    new = {
        "kept": "1 theirs\n2\n3\n4\n5\n",
        "moved": "b\n" + "a\n" * 29,
        "gone/old": "y\n",
        "gone/new": "z\n",
    }

    merged = bring(service, tmp_path, new | {"skipped": "2\n", "added": "+\n"})

    assert merged == merge.Merged([], ["gone/new", "gone/old"], ["added"])
    assert (service / "kept").read_text() == "1 theirs\n2\n3\n4\n5 ours\n"
    assert (service / "elsewhere").read_text() == "b\n" + "a\n" * 29
    assert (service / "skipped").read_text() == "1\n"
    staged = git(service, "diff", "--cached", "--relative", "--name-only", "HEAD").split()
    assert staged == ["added", "elsewhere", "kept"]
    assert git(service, "diff", "--name-only") == ""
    assert not (service / "gone").exists()


def test_a_conflict_has_marks_and_must_be_settled(service: Path, tmp_path: Path) -> None:
    write(service, {"kept": "1\n2 ours\n3\n4\n5\n"})
    commit(service)
    merge.refuse_unless_clean()

    merged = bring(service, tmp_path, FILES | {"kept": "1\n2 theirs\n3\n4\n5\n"})

    assert merged.conflicts == ["kept"]
    assert "<<<<<<< HEAD\n2 ours\n" in (service / "kept").read_text()
    with pytest.raises(CommandError, match="The last update or merge is not finished"):
        merge.refuse_unless_clean()
    git(service, "reset", "--quiet", "--hard")
    merge.refuse_unless_clean()


def test_nothing_new_is_no_change(service: Path, tmp_path: Path) -> None:
    assert bring(service, tmp_path, FILES) == merge.Merged([], [], [])
    assert git(service, "status", "--short") == ""


def test_an_untracked_file_in_the_way_is_not_overwritten(service: Path, tmp_path: Path) -> None:
    (service / "added").write_text("ours")
    with pytest.raises(CommandError, match=r"git cannot merge the update: .* would be overwritten"):
        bring(service, tmp_path, FILES | {"added": "theirs"})
    assert (service / "added").read_text() == "ours"


def test_the_changelog_between() -> None:
    found = changelog.news(OLD, NEW)
    assert [entry.text for entry in found] == ["- Three", "- Four", "- `Makefile`: look.", "- Two"]
    assert changelog.by_hand(found) == ["- `Makefile`: look."]
    assert changelog.shown(found) == (
        "\n0.2.0 (2026-12-01)\n\nWhat a service gets:\n- Three\n- Four"
        "\n\nWhat needs a hand:\n- `Makefile`: look."
        "\n\n0.1.0 (2026-11-30)\n\nWhat a service gets:\n- Two"
    )
    assert [entry.text for entry in changelog.news("", OLD)] == ["- One,\n  in two lines."]


def migration(revision: str, after: str | None) -> str:
    written = "None" if after is None else f'"{after}"'
    return f'"""It.\n\nRevises: {after or ""}\n"""\n\nrevision = "{revision}"\ndown_revision = {written}\n'


@pytest.mark.parametrize("start", ["a1", "deleted"])
def test_new_migrations_follow_ours_in_their_order(tmp_path: Path, start: str) -> None:
    write(tmp_path, {"1.py": migration("a1", None), "2.py": migration("b2", "a1")})
    write(tmp_path, {"3.py": migration("c3", start), "4.py": migration("d4", "c3")})

    assert new_migrations.append(tmp_path, ["4.py", "3.py"]) == ["3.py"]
    assert (tmp_path / "3.py").read_text() == migration("c3", "b2")
    assert (tmp_path / "4.py").read_text() == migration("d4", "c3")
    assert new_migrations.append(tmp_path, ["4.py", "3.py"]) == []


def test_two_branches_of_ours_are_left_to_us_until_they_are_merged(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"1.py": migration("a1", None), "2.py": migration("b2", None), "3.py": migration("c3", "a1")},
    )
    assert new_migrations.append(tmp_path, ["3.py"]) == []
    (tmp_path / "4.py").write_text(migration("d4", "x").replace('"x"', '("a1", "b2")'))
    assert new_migrations.append(tmp_path, ["3.py"]) == ["3.py"]
    assert (tmp_path / "3.py").read_text() == migration("c3", "d4")


def test_what_was_typed_after_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("owner", "Me & kubernetes=yes \\")
    monkeypatch.setenv("description", "ends with --")
    monkeypatch.setenv("to", "v1")
    monkeypatch.setenv("kubernetes", "from the environment")
    monkeypatch.setenv("MAKEFLAGS", r"s -- owner=Me\ &\ kubernetes=yes\ \\ description=ends\ with\ -- to=v1")
    assert typed() == {"owner": "Me & kubernetes=yes \\", "description": "ends with --", "to": "v1"}
    monkeypatch.setenv("MAKEFLAGS", "w")
    assert typed() == {}


def test_a_choice_that_is_not_offered() -> None:
    asked = {"owner": "Somebody", "python": ["3.14", "3.15"]}
    assert checked({"owner": "Me", "python": "3.15", "no_more": "x"}, asked, "v2") == {
        "owner": "Me",
        "python": "3.15",
    }
    with pytest.raises(
        CommandError, match=r"python=3\.13 is not a choice of v2\. Choose one of: 3\.14, 3\.15"
    ):
        checked({"python": "3.13"}, asked, "v2")


@pytest.fixture
def published(tmp_path: Path) -> Template:
    """A template of three commits, two of them released."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet")
    for number, tag in enumerate(("v0.9.0", "v0.10.0", "v1.0.0-rc1")):
        write(work, {"CHANGELOG.md": OLD if not number else NEW, "file": tag})
        commit(work)
        git(work, "tag", tag)
    git(tmp_path, "clone", "--quiet", "--bare", str(work), "clone")
    return Template(str(work), tmp_path / "clone")


def test_releases_in_their_order(published: Template) -> None:
    assert published.releases() == ["v0.10.0", "v0.9.0"]
    assert published.newest() == "v0.10.0"
    assert published.name(published.commit("v0.9.0")) == "v0.9.0"
    with pytest.raises(CommandError, match=r"has no version v3 \(the newest: v0\.10\.0, v0\.9\.0\)"):
        published.commit("v3")


def test_how_far_behind(
    published: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(template, "PROJECT", tmp_path)
    monkeypatch.setenv("TEMPLATE_CLONE", str(published.clone))

    def say_of(version: str) -> str:
        context: dict[str, object] = {template.CONTEXT: {}}
        state = {"template": published.url, "commit": published.commit(version), "context": context}
        (tmp_path / template.STATE).write_text(json.dumps(state))
        assert outdated.main() == 0
        return capsys.readouterr().out

    old = say_of("v0.9.0")
    assert old.startswith("This service has v0.9.0 of its template, 1 release behind v0.10.0: make update\n")
    assert "- Four\n" in old
    assert say_of("v0.10.0") == "This service has the newest version of its template: v0.10.0\n"
    assert outdated.described(published, published.commit("v0.10.0"), "HEAD").count("1 commit behind") == 1


def test_what_must_be_whole_ends_before_a_signal_is_heard() -> None:
    ended = []

    def work() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            ended.append("work")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert ended == ["work"]
