"""A change reaches services that exist already: the changelog has a line on it, and nobody is surprised."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baking import ROOT, SERVICE, Baker
from tests.gates import EDITED, HAND, Release, releases
from tests.histories import (
    CURRENT,
    History,
    add_customers,
    commit,
    customise,
    delete_orders,
    make,
    replace,
)
from tests.services import started

type Conflicts = Callable[[Release], list[str]]


pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def conflicts(baker: Baker, past: History, machine: dict[str, str], tmp_path: Path) -> Conflicts:
    """Update two customised services from a release to what its tree has become; return what conflicts."""

    def finds(release: Release) -> list[str]:
        found: set[str] = set()
        folder = tmp_path / release.tag
        url, new = published(release, past, folder / "published")
        for deletes in (False, True):
            origin = History(release.tree, url, past.git)
            service = make(baker, origin, release.tag, folder / str(deletes), machine)
            customise(service)
            add_customers(service)
            if deletes:
                delete_orders(service)
            commit(origin, service, machine)
            with started("make", "update", f"to={new}", cwd=service, environment=machine) as process:
                said, _ = process.communicate(timeout=300)
            assert "; nothing is committed yet." in said
            found |= set(past.git("diff", "--name-only", "--diff-filter=U", cwd=service).splitlines())
        return sorted(found)

    return finds


def published(release: Release, past: History, folder: Path) -> tuple[str, str]:
    """Commit the tree as it is to a clone, and return its URL and the commit."""
    folder.parent.mkdir()
    past.git("clone", "--quiet", "--no-hardlinks", str(release.tree), str(folder), cwd=release.tree)
    listed = release.git("ls-files", "-coz", "--exclude-standard").split("\0")
    past.git("rm", "-r", "--quiet", ".", cwd=folder)
    for name in listed:
        if name and (release.tree / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(release.tree / name, folder / name)
    past.git("add", "--all", cwd=folder)
    past.git("commit", "--quiet", "--allow-empty", "--message", "As it is", cwd=folder)
    bare = folder.with_suffix(".git")
    past.git("clone", "--quiet", "--bare", str(folder), str(bare), cwd=folder)
    return f"file://{bare}", past.git("rev-parse", "HEAD", cwd=folder).strip()


@pytest.fixture
def release(past: History, tmp_path: Path) -> Release:
    """The tree as it is, of which v0.3.0 was the last release."""
    tree = tmp_path / "tree"
    past.git("clone", "--quiet", past.url, str(tree), cwd=tmp_path)
    past.git("tag", "--delete", CURRENT, cwd=tree)
    return releases(tree)[0]


def test_what_has_changed_since_the_last_release_is_in_the_changelog() -> None:
    release = releases(ROOT)[0]
    assert release.unsaid() == [], "CHANGELOG.md has no line on these"
    assert release.rewritten() == [], "a migration that was released stays as it is; another one follows"


def test_every_release_is_updated_without_a_surprise(conflicts: Conflicts) -> None:
    surprises = {each.tag: each.unexplained(conflicts(each)) for each in releases(ROOT)}
    assert not any(surprises.values()), f'{surprises}: name them in CHANGELOG.md under "{HAND}"'


def test_each_version_says_what_it_brings_and_what_needs_a_hand() -> None:
    sections = re.split(r"^## .*$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    parts = [re.findall(r"^### (.*)$", section, re.MULTILINE) for section in sections]
    assert parts
    assert parts == [["What a service gets", HAND]] * len(sections)


def test_what_people_edit_most_is_there() -> None:
    assert [name for name in EDITED if not (ROOT / SERVICE / name).is_file()] == []


def test_the_gate_finds_a_change_without_a_line(release: Release, past: History) -> None:
    assert (release.tag, release.unsaid(), release.rewritten()) == ("v0.3.0", [], [])

    (release.tree / "CHANGELOG.md").write_text(release.git("show", "v0.3.0:CHANGELOG.md"))
    assert f"{SERVICE}/chassis/src/chassis/pages.py" in release.unsaid()
    past.git("checkout", "--quiet", "v0.3.0", "--", SERVICE, cwd=release.tree)
    assert release.unsaid() == []


def test_the_gate_finds_a_migration_that_was_rewritten(release: Release) -> None:
    [orders] = (release.tree / SERVICE / "migrations/versions").glob("*_orders.py")
    orders.write_text(orders.read_text() + "\n# Better.\n")
    (orders.parent / "new.py").write_text(orders.read_text())
    assert release.rewritten() == [str(orders.relative_to(release.tree))]


def test_the_gate_finds_a_conflict_that_the_changelog_does_not_name(
    release: Release, conflicts: Conflicts
) -> None:
    field = '    farewell: str = "Bye"\n    """What it says at last."""\n\n    database: DatabaseSettings\n'
    settings = release.tree / SERVICE / "src/app/settings.py"
    replace(settings, ("\n    database: DatabaseSettings\n", field))

    found = conflicts(release)

    assert found == ["src/app/settings.py"]
    assert release.unexplained(found) == found
    text = (release.tree / "CHANGELOG.md").read_text()
    named = text.replace("- Nothing.", "- `settings.py` says farewell.", 1)
    (release.tree / "CHANGELOG.md").write_text(named)
    assert release.unexplained(found) == []
    (release.tree / "CHANGELOG.md").write_text(named.replace("## 0.4.0", "## 0.3.1"))
    assert release.unexplained(found) == found, "a patch merges without a hand"


def test_without_a_release_the_gates_say_why(past: History, tmp_path: Path) -> None:
    def why(tree: Path) -> str:
        with pytest.raises(pytest.skip.Exception) as skipped:
            releases(tree)[0]
        return str(skipped.value)

    assert why(tmp_path).startswith("no repository: ")
    past.git("clone", "--quiet", "--no-tags", past.url, "whole", cwd=tmp_path)
    assert why(tmp_path / "whole").startswith("no tag v… yet: ")
    past.git("clone", "--quiet", "--no-tags", "--depth", "1", past.url, "shallow", cwd=tmp_path)
    assert why(tmp_path / "shallow").startswith(
        "a shallow clone without tags (git fetch --unshallow --tags): "
    )


def test_ci_has_the_tags() -> None:
    for name in ("ci", "release", "weekly"):
        text = (ROOT / f".github/workflows/{name}.yml").read_text()
        jobs = re.findall(
            r"uses: actions/checkout@.*\n((?: {8,}.*\n)*)(?=(?: *#.*\n)* +- run: \.ci/run)", text
        )
        assert jobs
        assert all("fetch-depth: 0" in job for job in jobs), name
