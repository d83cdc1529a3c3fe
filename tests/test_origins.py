"""Services from a Git repository at a tag, which is where users have the template: cookiecutter and cruft."""

import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.baking import SERVICE, Baker

ANSWERS = {
    "project_name": 'The "Bücher" {shop} & #1: 注文 🧾',
    "project_slug": "books",
    "description": r"100 % of C:\books, ${HOME} | *all* `of` them",
    "owner": "O'Neill } Co",
}
# Says that it works, and writes another lock each time, as the network does.
UV = '#!/bin/sh\n[ "$1" = lock ] && date +%N >> uv.lock && echo locked in "$PWD"\nexit 0\n'


@dataclass(frozen=True)
class Origin:
    """A bare repository: the template as v1; in v2 a file is changed, one is new and one is gone."""

    url: str
    git: Callable[..., str]


def change(work: Path) -> None:
    with (work / SERVICE / ".editorconfig").open("a") as file:
        file.write("\n[*.sql]\nindent_size = 2\n")
    extension = (work / "local_extensions.py").read_text().replace(", markdown)", ", markdown, shouted)")
    (work / "local_extensions.py").write_text(extension + "\n\ndef shouted(text): return text.upper()\n")
    (work / SERVICE / "ADDED.md").write_text("{{ cookiecutter.project_slug | shouted }}\n")
    (work / SERVICE / ".gitattributes").unlink()


@pytest.fixture(scope="session")
def origin(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Origin:
    work = tmp_path_factory.mktemp("work") / "template"
    bare = tmp_path_factory.mktemp("bare") / "template.git"
    shutil.copytree(baker.template, work)

    def git(*arguments: str, cwd: Path = work) -> str:
        command = ["git", "-c", "init.defaultBranch=main", *arguments]
        return subprocess.check_output(command, cwd=cwd, env=baker.environment(cwd), text=True)

    def release(tag: str) -> None:
        git("add", "--all")
        git("commit", "--quiet", "--message", tag)
        git("tag", tag)

    git("init", "--quiet")
    release("v1")
    change(work)
    release("v2")
    git("clone", "--quiet", "--bare", str(work), str(bare))
    return Origin(f"file://{bare}", git)


@pytest.fixture
def locking(tmp_path: Path) -> dict[str, str]:
    """Give the environment in which the hook locks."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(UV)
    uv.chmod(0o755)
    return {"UV": str(uv), "SKIP_UV_LOCK": ""}


@pytest.fixture
def service(baker: Baker, origin: Origin, tmp_path: Path, locking: dict[str, str]) -> Path:
    """A service that cruft made of v1, committed as its engineers would, with their own change in it."""
    create = ["cruft", "create", origin.url, "--checkout", "v1", "--no-input", "--extra-context"]
    said = baker.run(*create, json.dumps(ANSWERS), cwd=tmp_path, environment=locking)
    assert said.returncode == 0, said.stdout
    assert said.stdout.count("locked in") == 1
    service = tmp_path / "books"
    with (service / ".gitignore").open("a") as file:
        file.write("/ours\n")
    origin.git("init", "--quiet", cwd=service)
    origin.git("add", "--all", cwd=service)
    origin.git("commit", "--quiet", "--message", "first", cwd=service)
    return service


@pytest.mark.parametrize(("tag", "added"), [("v1", []), ("v2", ["ADDED.md"])])
def test_a_service_from_a_repository_at_a_tag(
    baker: Baker, origin: Origin, tmp_path: Path, tag: str, added: list[str]
) -> None:
    answers = [f"{name}={answer}" for name, answer in ANSWERS.items()]
    said = baker.run("cookiecutter", origin.url, "--checkout", tag, "--no-input", *answers, cwd=tmp_path)

    assert said.returncode == 0, said.stdout
    project = tomllib.loads((tmp_path / "books" / "pyproject.toml").read_text())["project"]
    assert project["description"] == ANSWERS["description"]
    assert [path.name for path in (tmp_path / "books").glob("ADDED*")] == added


def test_cruft_updates_a_service_without_conflicts(
    baker: Baker, origin: Origin, service: Path, locking: dict[str, str]
) -> None:
    behind = baker.run("cruft", "check", cwd=service)
    said = baker.run("cruft", "update", "--skip-apply-ask", cwd=service, environment=locking)
    after = baker.run("cruft", "check", cwd=service)

    assert (behind.returncode, said.returncode, after.returncode) == (1, 0, 0), said.stdout
    changed = sorted(origin.git("status", "--short", "--untracked-files=all", cwd=service).splitlines())
    assert changed == [" M .cruft.json", "A  ADDED.md", "D  .gitattributes", "M  .editorconfig"]
    assert "indent_size = 2\n" in (service / ".editorconfig").read_text()
    assert (service / "ADDED.md").read_text() == "BOOKS\n"
    # What it generates to compare is nobody's service: no network, and no advice for it.
    assert "locked in" not in said.stdout
    assert "make dev" not in said.stdout


def test_an_update_can_bring_an_option_and_take_it_away_again(
    baker: Baker, origin: Origin, service: Path
) -> None:
    for answer in ("yes", "no"):
        update = ["cruft", "update", "--skip-apply-ask", "--variables-to-update"]
        said = baker.run(*update, json.dumps({"kubernetes": answer}), cwd=service)
        origin.git("add", "--all", cwd=service)
        origin.git("commit", "--quiet", "--message", answer, cwd=service)

        assert said.returncode == 0, said.stdout
        for owned in ("deploy/kubernetes/base/deployment.yaml", "docs/kubernetes.md"):
            assert (service / owned).exists() is (answer == "yes")
    changed = origin.git("diff", "--name-only", "HEAD~2", cwd=service).splitlines()
    assert changed == [".cruft.json", ".editorconfig", ".gitattributes", "ADDED.md"]


def test_cruft_finds_only_our_own_change_in_a_fresh_service(baker: Baker, service: Path) -> None:
    said = baker.run("cruft", "diff", "--checkout", "v1", "--exit-code", cwd=service)
    assert said.stdout.count("diff --git") == 1, said.stdout
    assert "/ours" in said.stdout


def test_a_refusal_through_cruft(baker: Baker, origin: Origin, tmp_path: Path) -> None:
    bad = json.dumps({"owner": "{{ x }}", "project_slug": "Bad/Slug"})
    said = baker.run("cruft", "create", origin.url, "--no-input", "--extra-context", bad, cwd=tmp_path)

    assert [line.split(":")[0] for line in said.stdout.splitlines()] == ["project_slug", "owner"]
    assert said.returncode == 1
    assert list(tmp_path.iterdir()) == []
