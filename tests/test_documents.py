"""The documents are right: tables, commands, links."""

import re
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from dev.readme import written
from tests.baking import ROOT, SERVICE, Baker

DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/benchmark.md")]
DECISIONS = sorted(path for path in (ROOT / "docs/decisions").glob("*.md") if path.name != "README.md")
HERE = re.compile(rf"{re.escape(str(ROOT.parent))}/|\.\./shar\w+/|/root/|/home/")


def test_the_questions_stand_in_the_readme_as_they_are_asked() -> None:
    readme = (ROOT / "README.md").read_text()
    assert written(readme) == readme, "make format writes it"
    assert "`python_version`" in readme


def test_each_dependency_has_its_reason(baked: Path) -> None:
    page = (ROOT / "docs/decisions/dependencies.md").read_text()
    service, chassis = page.split("| package |")[1:]

    assert reasons(service) == dependencies(baked / "pyproject.toml")
    assert reasons(chassis) == dependencies(baked / "chassis/pyproject.toml")


def reasons(table: str) -> list[str]:
    return re.findall(r"^\| `([a-z0-9-]+)` \| \S.{15,} \|$", table, re.MULTILINE)


def dependencies(path: Path) -> list[str]:
    project = tomllib.loads(path.read_text())["project"]
    return sorted(re.split(r"[\[>=<~]", each)[0] for each in project["dependencies"])


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_why_and_names_the_test_that_holds_it(path: Path) -> None:
    text = path.read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    named = re.findall(r"`([^`\s]+/[^`\s]*)`", text.partition("## Enforced by")[2])

    assert headings == ["Context", "Decision", "Consequences", "Enforced by"]
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert f"]({path.name})" in (path.parent / "README.md").read_text()


@pytest.mark.parametrize("path", [*DOCUMENTS, *DECISIONS], ids=lambda path: path.name)
def test_links_within_the_template_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []


def test_links_within_a_service_lead_somewhere(baked: Path) -> None:
    documents = [path for path in baked.rglob("*.md") if ".venv" not in path.parts]

    assert baked / "README.md" in documents
    assert {path: broken for path in documents if (broken := broken_links(path))} == {}


def broken_links(path: Path) -> list[str]:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    return [link for link in links if "://" not in link and not (path.parent / link).exists()]


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_the_commands_in_the_documents_exist(path: Path) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", path.read_text()))
    named |= set(re.findall(r"^make ([a-z-]+)", path.read_text(), re.MULTILINE))

    assert named
    assert named <= targets(ROOT) | targets(ROOT / SERVICE)


GROUPS = {
    ROOT: ["Try", "Test", "Check", "Measure and release"],
    ROOT / SERVICE: ["Develop", "Database", "Add", "Containers", "Check", "Deploy", "Template"],
}


@pytest.mark.parametrize("folder", GROUPS, ids=["template", "service"])
def test_make_alone_lists_every_command_in_groups(folder: Path) -> None:
    listed = subprocess.check_output(["make", "--no-print-directory"], cwd=folder, text=True)
    groups = [each.splitlines() for each in listed.split("\n\n")]

    assert [heading.partition(" (")[0] for heading, *_ in groups] == GROUPS[folder]
    assert all(re.match(r"  make [a-z-]+ +[A-Z]", line) for _, *lines in groups for line in lines)
    assert set(re.findall(r"^  make ([a-z-]+) ", listed, re.MULTILINE)) == targets(folder)
    assert [line for line in listed.splitlines() if len(line) >= 100] == []


def targets(folder: Path) -> set[str]:
    phony = re.findall(r"^\.PHONY:(.*)$", (folder / "Makefile").read_text(), re.MULTILINE)
    return set(" ".join(phony).split())


def test_the_picture_is_a_picture() -> None:
    picture = ET.parse(ROOT / "docs/request.svg").getroot()  # noqa: S314 - Our own file.
    assert picture.tag.endswith("svg")
    assert "prefers-color-scheme: dark" in (ROOT / "docs/request.svg").read_text()


def test_workflows_and_documents_run_the_same_command() -> None:
    for name in ("ci", "weekly"):
        assert "run: .ci/run\n" in (ROOT / f".github/workflows/{name}.yml").read_text()
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("make test")
    assert "\nmake test\n" in (ROOT / "README.md").read_text()


def test_nothing_but_the_ci_script_names_what_lies_beside_the_template(baker: Baker) -> None:
    listed = (path for path in baker.template.rglob("*") if path.is_file() and path.suffix != ".pyc")
    naming = {str(path.relative_to(baker.template)) for path in listed if HERE.search(path.read_text())}

    assert naming - {"tests/test_documents.py"} == {".ci/run"}
