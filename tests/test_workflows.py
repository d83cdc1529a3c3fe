"""The workflows are more than text: what they run works here, and a page of the service lists the rest."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.release_notes import notes
from tests.baking import ROOT, SERVICE

OURS = sorted((ROOT / ".github/workflows").glob("*.yml"))
THEIRS = sorted((ROOT / SERVICE / ".github/workflows").glob("*.yml"))
BOTH = [pytest.param(path, id=f"{path.parents[2].name[:1]}-{path.stem}") for path in (*OURS, *THEIRS)]
USES = re.compile(r"^ +(?:- )?uses: (?P<name>[\w/.-]+)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+$")
LOCAL = re.compile(r"^ +uses: \./\.github/workflows/[\w-]+\.yml(?: # .*)?$")
# act runs them, in tests/workflows/, or the test that is named. With stand-ins it runs the others too.
RUN_HERE = {
    "make check": "",
    "make check-lock": "",
    'make check-migrations base="$BASE"': "",
    'make check-api base="$BASE"': "",
    'make check-chassis base="$BASE"': "",
    "make smoke url=http://127.0.0.1:8000": "",
    "make update": "tests/test_updates.py",
    "git diff --binary --output=change.patch HEAD": "",
    "docker compose build": "",
    "docker compose up --wait --wait-timeout 180": "",
    "docker compose logs": "",
}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text(), yaml.BaseLoader)  # noqa: S506 - It makes strings only.
    return found


@dataclass(frozen=True)
class Step:
    uses: str
    run: str
    given: dict[str, str]


def steps(path: Path) -> Iterator[Step]:
    for job in read(path)["jobs"].values():
        for step in job.get("steps", ()):
            yield Step(step.get("uses", ""), step.get("run", ""), step.get("with", {}))


def test_zizmor_and_the_schemas_have_nothing_to_say(baked: Path) -> None:
    zizmor = ["zizmor", "--quiet", "--offline", "--persona=pedantic"]
    schema = ["check-jsonschema", "--builtin-schema"]
    for command in (
        [*zizmor, ROOT / ".github", baked / ".github"],
        [*schema, "vendor.github-workflows", *OURS, *(baked / ".github/workflows").glob("*.yml")],
        [*schema, "vendor.dependabot", ROOT / ".github/dependabot.yml", baked / ".github/dependabot.yml"],
    ):
        program, *arguments = map(str, command)
        path = Path(sys.executable).with_name(program)
        done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", BOTH)
def test_a_workflow_may_do_little_and_ends(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    assert "group" in workflow["concurrency"]
    for name, job in workflow["jobs"].items():
        assert job["permissions"], name
        assert "uses" in job or int(job["timeout-minutes"]) <= 90, name
    for step in steps(path):
        if step.uses.startswith("actions/checkout@"):
            assert step.given["persist-credentials"] == "false"


@pytest.mark.parametrize("path", BOTH)
def test_actions_are_pinned_by_commit_with_their_version_beside(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if " uses: " in line]
    assert lines
    assert [line for line in lines if not (USES.match(line) or LOCAL.match(line))] == []


def test_what_has_a_token_that_may_write_runs_no_update() -> None:
    """The update replaces the Makefile and the chassis before anybody has reviewed them."""
    jobs = read(ROOT / SERVICE / ".github/workflows/update.yml")["jobs"]
    for name, job in jobs.items():
        lines = [step["run"].split() for step in job["steps"] if "run" in step]
        if name.startswith("propose-"):
            assert job["needs"] == name.removeprefix("propose-")
            assert [line[:2] for line in lines] == [["make", "propose"]]
        else:
            assert job["permissions"] == {"contents": "read"}
            assert "secrets." not in str(job)
            assert "github.token" not in str(job)


def test_an_action_has_one_commit_everywhere() -> None:
    lines = "\n".join(path.read_text() for path in (*OURS, *THEIRS)).splitlines()
    found = {(match["name"], match["commit"]) for line in lines if (match := USES.match(line))}
    assert len(found) == len(dict(found))


@pytest.mark.parametrize("path", BOTH)
def test_what_runs_is_one_command_and_holds_no_text_of_others(path: Path) -> None:
    for step in steps(path):
        if step.run:
            assert "${{" not in step.run
            assert "\n" not in step.run.strip()
            assert shlex.split(step.run)[0] in {"make", "docker", "git", "cosign", "gh", ".ci/run"}


def test_the_signer_of_an_image_is_this_workflow_at_a_version_and_nothing_like_it() -> None:
    [line] = [
        step.run for step in steps(ROOT / SERVICE / ".github/workflows/deploy.yml") if "cosign" in step.run
    ]
    bash = ["bash", "-e", "-c", f'cosign() {{ printf %s "${{@: -1}}"; }}; {line}']
    given = {"IMAGE": "image", "GITHUB_REPOSITORY": "owner/a.b"}
    signer = re.compile(subprocess.check_output(bash, env=given, text=True))

    for identity, is_accepted in {
        "https://github.com/owner/a.b/.github/workflows/release.yml@refs/tags/v1.4.0": True,
        "https://github.com/owner/a-b/.github/workflows/release.yml@refs/tags/v1.4.0": False,
        "https://github-com/owner/a.b/.github/workflows/release.yml@refs/tags/v1.4.0": False,
        "https://github.com/owner/a.b/-github/workflows/release.yml@refs/tags/v1.4.0": False,
        "https://github.com/owner/a.b/.github/workflows/release-yml@refs/tags/v1.4.0": False,
        "https://github.com/owner/a.b/.github/workflows/release.yml@refs/heads/v1.4.0": False,
        "https://github.com/owner/a.b/.github/workflows/release.yml@refs/tags/v": False,
        "https://github.com/owner/a.b/.github/workflows/release.yml@refs/tags/v1/../x": False,
        "x https://github.com/owner/a.b/.github/workflows/release.yml@refs/tags/v1.4.0": False,
    }.items():
        assert bool(signer.search(identity)) == is_accepted, identity


def test_the_make_targets_of_the_workflows_exist() -> None:
    for paths, folder in ((OURS, ROOT), (THEIRS, ROOT / SERVICE)):
        named = {
            step.run.split()[1] for path in paths for step in steps(path) if step.run.startswith("make ")
        }
        phony = re.findall(r"^\.PHONY:(.*)$", (folder / "Makefile").read_text(), re.MULTILINE)
        assert named
        assert named <= set(" ".join(phony).split())


def test_dependabot_leaves_the_chassis_alone() -> None:
    """PyPI has no such package: Dependabot would fail, or take whatever somebody else puts there."""
    updates = read(ROOT / SERVICE / ".github/dependabot.yml")["updates"]
    [packages] = [each for each in updates if each["package-ecosystem"] == "uv"]
    assert packages["ignore"] == [{"dependency-name": "service-chassis"}]


def test_a_document_lists_what_only_github_can_run(baked: Path) -> None:
    page = (baked / "docs/release.md").read_text()
    part = re.findall(r"<!-- only on GitHub -->(.*)<!-- /only on GitHub -->", page, re.DOTALL)
    listed = set(re.findall(r"`([a-z-]+[/ ][a-z -]+)`", part[0]))
    all_of_them = [step for path in THEIRS for step in steps(path)]
    actions = {step.uses.partition("@")[0] for step in all_of_them if step.uses}
    lines = {step.run for step in all_of_them if step.run} - RUN_HERE.keys()

    assert listed == actions | {words(line) for line in lines}


def words(line: str) -> str:
    """The program and what it is told to do, without what it does it to."""
    found = re.match(r"(gh \S+ \S+|\S+ \S+)", line)
    assert found
    return found[1]


def test_what_runs_here_is_run_by_a_workflow() -> None:
    assert RUN_HERE.keys() <= {step.run for path in THEIRS for step in steps(path)}
    assert all((ROOT / named).is_file() for named in RUN_HERE.values() if named)


def test_a_matrix_of_bakes_has_each_answer_that_code_depends_on() -> None:
    questions = json.loads((ROOT / "cookiecutter.json").read_text())
    choices = {name for name, default in questions.items() if isinstance(default, list)}
    branching = {name for name in choices - {"license"} if not name.startswith("_")}
    [matrix] = [job["strategy"]["matrix"] for job in read(ROOT / ".github/workflows/ci.yml")["jobs"].values()
                if "strategy" in job]  # fmt: skip
    assert matrix == {name: questions[name] for name in branching}


def test_release_notes_are_the_section_of_the_version() -> None:
    changelog = (
        "# Changelog\n\n## 1.1.0 (unreleased)\n\n- c\n\n## 1.0.1 (2026-12-01)\n\n- b\n\n## 1.0.0\n\n- a\n"
    )
    assert notes(changelog, "v1.0.1") == "- b"
    assert notes(changelog, "v1.0.0") == "- a"
    for tag in ("v1.1.0", "v1.0", "v9", ""):
        with pytest.raises(SystemExit, match="no released section"):
            notes(changelog, tag)
