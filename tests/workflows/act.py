"""nektos/act: jobs of workflows run on this machine, by the steps that GitHub would run.

What cannot be fetched or reached from here has a stand-in: an action is a folder in `actions/`, and a program
that talks to a server elsewhere is a file in `programs/`.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tests.test_workflows import USES

HERE = Path(__file__).parent
OPTIONS = ("--json", "--no-skip-checkout", "--no-cache-server", "--pull=false", "--no-recurse")
RUNNER = "ubuntu-24.04=-self-hosted"
OWNER = "owner"


@dataclass(frozen=True)
class Ran:
    """What a run of act did: the result of each job and each step, and the output."""

    log: list[dict[str, Any]]

    @property
    def jobs(self) -> dict[str, str]:
        """Give the result of each job by its id, with the values of its entry if it has a matrix."""
        return {named(line): line["jobResult"] for line in self.log if "jobResult" in line}

    @property
    def steps(self) -> dict[str, str]:
        """Give the result of each step by what it runs or uses. Skipped steps are missing."""
        main = (line for line in self.log if line.get("stage") == "Main" and len(line["stepID"]) == 1)
        return {line["step"].partition("@")[0]: line["stepResult"] for line in main if "stepResult" in line}

    @property
    def said(self) -> str:
        return "".join(line["msg"] for line in self.log if line.get("raw_output") or line["level"] == "error")


def named(line: dict[str, Any]) -> str:
    return entry(line["jobID"], line["matrix"])


def entry(job: str, matrix: dict[str, Any]) -> str:
    """Name a job by its id and its entry of a matrix, without what is longer than a word."""
    return " ".join([job, *(str(matrix[key]) for key in sorted(matrix) if ":" not in str(matrix[key]))])


@dataclass(frozen=True)
class Act:
    """A repository whose jobs run, and the machine that they run on."""

    origin: Path
    machine: dict[str, str]
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    """What steps find in their environment, besides what GitHub and the machine have in it."""
    replaced: dict[str, str] = field(default_factory=dict)
    """What a workflow names and this machine cannot give, such as a port in use, and what to use instead."""

    def having(self, **variables: str) -> Self:
        return replace(self, variables=self.variables | variables)

    def replacing(self, replaced: dict[str, str]) -> Self:
        return replace(self, replaced=replaced)

    @property
    def commands(self) -> list[str]:
        """Give the commands that the stand-ins of programs got."""
        return (self.folder / "commands").read_text().splitlines()

    def run(self, workflow: str, *arguments: str, event: str = "push", ref: str = "refs/heads/main") -> Ran:
        """Run a workflow, or what the arguments choose of it, as this event would; all of it must succeed."""
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("act")),
                event,
                *OPTIONS,
                *self._given(workflow, ref),
                *arguments,
            ],
            cwd=self.origin,
            env=self.machine,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
            check=False,
        )
        shutil.rmtree(self.folder / "cache", ignore_errors=True)  # The checkouts, which pytest would keep.
        ran = Ran(list(lines(done.stdout)))
        assert done.returncode == 0, f"{ran.jobs}\n{ran.steps}\n{ran.said[-8000:]}"
        return ran

    def _given(self, workflow: str, ref: str) -> Iterator[str]:
        event = self.folder / "event.json"
        event.write_text(json.dumps({"ref": ref}))
        yield from (f"--eventpath={event}", f"--workflows={self._workflow(workflow)}")
        yield from (f"--platform={RUNNER}", f"--action-cache-path={self.folder / 'cache'}")
        yield "--secret=GITHUB_TOKEN=a-token"
        yield from (f"--local-repository={each}" for each in stand_ins(self.origin))
        given = {"ORIGIN": f"file://{self.origin}", "RECORD": str(self.folder)}
        # act does not set it.
        given["GITHUB_WORKFLOW_REF"] = f"{OWNER}/{self.origin.name}/.github/workflows/{workflow}@{ref}"
        for name, value in (self.machine | given | self.variables).items():
            yield f"--env={name}={value}"

    def _workflow(self, name: str) -> Path:
        path = self.origin / ".github/workflows" / name
        if not self.replaced:
            return path
        text = path.read_text()
        for old, new in self.replaced.items():
            assert old in text
            text = text.replace(old, new)
        (self.folder / name).write_text(text)
        return self.folder / name


def lines(said: str) -> Iterator[dict[str, Any]]:
    for line in said.splitlines():
        yield json.loads(line) if line.startswith("{") else {"level": "error", "msg": f"{line}\n"}


def stand_ins(repository: Path) -> Iterator[str]:
    """Give the folder for each action that a workflow of the repository uses."""
    for path in (repository / ".github/workflows").glob("*.yml"):
        for line in path.read_text().splitlines():
            if match := USES.match(line):
                folder = HERE / "actions" / match["name"].partition("/")[2]
                yield f"{match['name']}@{match['commit']}={folder}"
