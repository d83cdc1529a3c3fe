"""An update that cannot be had says so in a line with what to type next, and has changed nothing."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.histories import CURRENT, History, make
from tests.services import press_ctrl_c, run, started

type Refuse = Callable[..., str]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def installed(
    baker: Baker, past: History, machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    service = make(baker, past, "v0.3.0", tmp_path_factory.mktemp("refusals"), machine)
    run("uv", "sync", "--quiet", cwd=service, environment=machine)
    return service


@pytest.fixture
def linked(installed: Path, past: History) -> Iterator[Path]:
    yield installed
    past.git("reset", "--quiet", "--hard", "v0", cwd=installed)
    past.git("clean", "--quiet", "-d", "--force", cwd=installed)


@pytest.fixture
def refuse(linked: Path, past: History, machine: dict[str, str]) -> Refuse:
    """Run a target that must refuse, and return its one line."""
    past.git("tag", "--force", "v0", cwd=linked)

    def runs(target: str, *variables: str, path: Path | None = None) -> str:
        environment = machine | ({"PATH": f"{path}:{machine['PATH']}"} if path else {})
        before = past.git("status", "--porcelain", cwd=linked)
        with started("make", target, *variables, cwd=linked, environment=environment) as process:
            said, _ = process.communicate(timeout=300)
        assert process.returncode == 2
        line, makes, *more = said.splitlines()
        assert (makes.startswith("make: ***"), more) == (True, []), said
        if not path:
            assert past.git("status", "--porcelain", cwd=linked) == before
        return line

    return runs


def edit_state(service: Path, past: History, **changed: str) -> None:
    """Commit a `.cruft.json` that says something else."""
    state = json.loads((service / ".cruft.json").read_text()) | changed
    (service / ".cruft.json").write_text(json.dumps(state))
    past.git("commit", "--quiet", "--all", "--message", "Edited", cwd=service)


def git_that(does: str, folder: Path) -> Path:
    """Give the folder of a `git` that does something before it clones."""
    real = shutil.which("git")
    (folder / "git").write_text(f'#!/bin/sh\nif [ "$1" = clone ]; then {does}; fi\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("to=v9.9.9", r"has no version v9\.9\.9 \(the newest: v0\.4\.0, v0\.3\.0, v0\.2\.0, v0\.1\.0\)$"),
        ("to=--all", r"has no version --all "),
        ("kubernets=yes", r"^kubernets=… is neither to=… nor a question of the template: project_name, "),
        ("kubernetes=maybe", r"^kubernetes=maybe is not a choice of v0\.4\.0\. Choose one of: no, yes$"),
        ("owner={% x %}", r"^v0\.4\.0 rejects these answers: owner: .* template markup"),
        ("project_slug=Bad/Slug", r"^v0\.4\.0 rejects these answers: project_slug: "),
    ],
)
def test_what_was_typed(refuse: Refuse, typed: str, line: str) -> None:
    assert re.search(line, refuse("update", typed))


def test_what_is_not_committed(refuse: Refuse, linked: Path) -> None:
    (linked / "Makefile").write_text("# Ours.\n" + (linked / "Makefile").read_text())
    for number in range(4):
        (linked / f"new{number}").touch()
    expected = "There are uncommitted changes. Commit or stash them first: Makefile, new0, new1 and 2 more"
    assert refuse("update") == expected


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1:1/template.git", "unable to access .*"),
        ("/no/such/template", "repository '/no/such/template' does not exist"),
        ("--upload-pack=touch x", ".*"),
    ],
)
def test_no_network_or_a_template_that_has_gone(
    refuse: Refuse, linked: Path, past: History, url: str, why: str
) -> None:
    edit_state(linked, past, template=url)
    line = rf"Cannot clone the template from {re.escape(url)} \({why}\)\. Check the network and "
    for target in ("update", "outdated"):
        assert re.match(line, refuse(target))


def test_a_template_that_is_broken_or_was_rewritten(
    refuse: Refuse, linked: Path, past: History, tmp_path: Path
) -> None:
    broken = shutil.copytree(Path(past.url.removeprefix("file://")), tmp_path / "broken.git")
    shutil.rmtree(broken / "objects")
    edit_state(linked, past, template=str(broken))
    assert refuse("update").startswith(f"Cannot clone the template from {broken} (")

    edit_state(linked, past, template=past.url, commit="1" * 40)
    assert refuse("update").startswith(f"{past.url} has no version {'1' * 40} ")


@pytest.mark.parametrize("target", ["update", "outdated"])
def test_a_link_that_is_damaged_or_missing(refuse: Refuse, linked: Path, past: History, target: str) -> None:
    for text in ("{", "[]", '{"template": ""}', '{"template": "", "commit": "", "context": {}}'):
        (linked / ".cruft.json").write_text(text)
        past.git("commit", "--quiet", "--all", "--message", "Damaged", cwd=linked)
        assert re.match(r"\.cruft\.json is damaged \(.*\)\. Type: git restore \.cruft\.json$", refuse(target))
    past.git("rm", "--quiet", ".cruft.json", cwd=linked)
    past.git("commit", "--quiet", "--message", "Gone", cwd=linked)
    assert refuse(target).startswith("This service is not linked to its template. Type: make link template=")


def test_edits_in_a_clone_are_no_version(refuse: Refuse, linked: Path, past: History, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    past.git("clone", "--quiet", "--branch", "v0.3.0", past.url, str(clone), cwd=tmp_path)
    (clone / "CHANGELOG.md").write_text("Edited")
    edit_state(linked, past, template=str(clone))
    assert refuse("update", "to=v9").startswith(f"{clone} has no version v9 (the newest: {CURRENT}, ")


def test_another_update_that_was_quicker(refuse: Refuse, linked: Path, tmp_path: Path) -> None:
    line = refuse("update", path=git_that(f"touch {linked}/theirs", tmp_path))
    assert line == "There are uncommitted changes. Commit or stash them first: theirs"
    assert not (linked / "deploy/kubernetes").exists()


def test_ctrl_c_leaves_everything_as_it_was(
    linked: Path, past: History, machine: dict[str, str], tmp_path: Path
) -> None:
    past.git("tag", "--force", "v0", cwd=linked)
    path = git_that(f"touch {tmp_path}/cloning; exec sleep 60", tmp_path)
    environment = machine | {"PATH": f"{path}:{machine['PATH']}"}
    with started("make", "update", cwd=linked, environment=environment) as process:
        while not (tmp_path / "cloning").exists():
            assert process.poll() is None
            time.sleep(0.01)
        said = press_ctrl_c(process)
    assert "Stopped: nothing has changed" in said
    assert "Traceback" not in said
    assert past.git("status", "--porcelain", cwd=linked) == ""


def test_without_a_repository(refuse: Refuse, tmp_path: Path) -> None:
    """What asks for a revision of the service fails, as it does before the first commit."""
    fails = 'if [ "$3" = "HEAD^{commit}" ]; then echo "fatal: Needed a single revision" >&2; exit 128; fi'
    (tmp_path / "git").write_text(f'#!/bin/sh\n{fails}\nexec {shutil.which("git")} "$@"\n')
    (tmp_path / "git").chmod(0o755)
    assert refuse("update", path=tmp_path).startswith("An update needs a git repository. Type: git init && ")
