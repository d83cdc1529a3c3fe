"""Every service knows which version of which template it is of, where there is one; later it can be told."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.baking import Baker
from tests.histories import CURRENT, History
from tests.services import run, started

ANSWERS = {
    "project_name": 'The "Bücher" & #1: 注文 🧾',
    "project_slug": "books",
    "description": r"100 % of C:\books, ${HOME} | *all* `of` \n them",
    "owner": "O'Neill } Co \\",
    "python_version": "3.13",
    "license": "Apache-2.0",
    "kubernetes": "yes",
}

type Clone = Callable[..., Path]


def generate(baker: Baker, folder: Path, *command: str, typed: str = "") -> dict[str, Any] | None:
    """Make a service, and return what its `.cruft.json` says, if it has one."""
    folder.mkdir()
    done = baker.run(*command, cwd=folder, typed=typed)
    assert done.returncode == 0, done.stdout
    [service] = folder.iterdir()
    state = service / ".cruft.json"
    return json.loads(state.read_text()) if state.exists() else None


def by_cookiecutter(baker: Baker, folder: Path, template: str, *options: str) -> dict[str, Any] | None:
    answers = [f"{name}={answer}" for name, answer in ANSWERS.items()]
    return generate(baker, folder, "cookiecutter", template, "--no-input", *options, *answers)


@pytest.fixture
def clone(past: History, tmp_path: Path) -> Clone:
    def clones(name: str = "clone") -> Path:
        past.git("clone", "--quiet", "--branch", "v0.3.0", past.url, name, cwd=tmp_path)
        return tmp_path / name

    return clones


def test_cookiecutter_leaves_what_cruft_leaves(baker: Baker, past: History, tmp_path: Path) -> None:
    command = ["cruft", "create", past.url, "--checkout", "v0.3.0", "--no-input", "--extra-context"]
    theirs = generate(baker, tmp_path / "a", *command, json.dumps(ANSWERS))
    ours = by_cookiecutter(baker, tmp_path / "b", past.url, "--checkout", "v0.3.0")

    assert theirs
    assert ours
    theirs["template"] = theirs["context"]["cookiecutter"]["_template"] = past.url  # It makes a path of it.
    assert ours == theirs
    assert ours["commit"] == past.git("rev-parse", "v0.3.0").strip()
    assert ours["context"]["cookiecutter"].items() >= ANSWERS.items()


def test_a_clone_leads_to_where_others_find_it(
    baker: Baker, past: History, clone: Clone, tmp_path: Path
) -> None:
    here = clone()
    state = by_cookiecutter(baker, tmp_path / "a", "../clone")
    assert state
    assert (state["template"], state["checkout"]) == (past.url, None)

    past.git("remote", "set-url", "origin", "https://me:secret@git.example/t.git", cwd=here)
    state = by_cookiecutter(baker, tmp_path / "b", "../clone")
    assert state
    assert state["template"] == "https://git.example/t.git"

    past.git("commit", "--quiet", "--allow-empty", "--message", "Not published", cwd=here)
    state = by_cookiecutter(baker, tmp_path / "c", "../clone")
    assert state
    assert state["template"] == state["context"]["cookiecutter"]["_template"] == str(here)


def test_what_has_no_version_is_not_linked(baker: Baker, past: History, clone: Clone, tmp_path: Path) -> None:
    (clone("edited") / "CHANGELOG.md").write_text("Edited")
    archive = tmp_path / "template.zip"
    past.git("archive", "--prefix", "template/", "--output", str(archive), CURRENT)
    inside = clone("around") / "inside"
    shutil.copytree(baker.template, inside, ignore=shutil.ignore_patterns(".git"))
    past.git("add", "--all", cwd=inside)
    past.git("commit", "--quiet", "--message", "Within another repository", cwd=inside)

    for number, template in enumerate((tmp_path / "edited", archive, inside)):
        assert by_cookiecutter(baker, tmp_path / str(number), str(template)) is None


def test_an_old_clone_in_the_cache_says_what_it_is(baker: Baker, past: History, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    baker = Baker(baker.template, tmp_path / "home")
    by_cookiecutter(baker, tmp_path / "a", past.url, "--checkout", "v0.2.0")
    again = ["cookiecutter", past.url, "--checkout", CURRENT]
    keys = "n\ny\n" + "\n" * len(ANSWERS)  # Not to be fetched again, but used.

    state = generate(baker, tmp_path / "b", *again, typed=keys)
    assert state
    assert (state["commit"], state["checkout"]) == (past.git("rev-parse", "v0.2.0").strip(), None)

    [cached] = (tmp_path / "home/clones").iterdir()
    (cached / "CHANGELOG.md").write_text("Edited")
    assert generate(baker, tmp_path / "c", *again, typed=keys) is None


def test_a_service_is_linked_later(
    baker: Baker, past: History, machine: dict[str, str], tmp_path: Path
) -> None:
    by_cookiecutter(baker, tmp_path / "a", past.url, "--checkout", "v0.3.0")
    service = tmp_path / "a/books"
    state = service / ".cruft.json"
    before = state.read_bytes()
    page = (service / "docs/updates.md").read_text().partition("```text\n")[2].partition("\n```")[0]
    link = page.replace("https://git.example/template.git", past.url).replace("v1.4.0", "v0.3.0").split()

    line = refused(service, machine, *link)
    assert (
        line == "This service is linked to its template already. To link it again, first type: rm .cruft.json"
    )
    state.unlink()
    assert refused(service, machine, *link[:-1]).startswith("A link needs both: ")
    said = run(*link, cwd=service, environment=machine)
    assert re.search(
        r"^Linked to v0\.3\.0: (\d{3}) of \1 files are unchanged since then\.", said, re.MULTILINE
    )
    assert state.read_bytes() == before
    said = run("make", "outdated", cwd=service, environment=machine)
    assert "v0.3.0 of its template, 1 release behind v0.4.0" in said
    assert_an_answer_is_typed(service, machine, *link)
    assert state.read_bytes() == before


def assert_an_answer_is_typed(service: Path, machine: dict[str, str], *link: str) -> None:
    """Link a service whose files do not show any more what was answered."""
    (service / ".cruft.json").unlink()
    project = service / "pyproject.toml"
    project.write_text(re.sub(r"(?m)^maintainers = .*\n", "", project.read_text()))
    line = refused(service, machine, *link)
    assert line == "No file here shows what owner was. Type it: make link … owner='…'"
    run(*link, f"owner={ANSWERS['owner']}", cwd=service, environment=machine)


def refused(service: Path, machine: dict[str, str], *command: str) -> str:
    with started(*command, cwd=service, environment=machine) as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 2
    return said.splitlines()[-2]
