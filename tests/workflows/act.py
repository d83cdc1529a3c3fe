"""nektos/act: the jobs of workflows run on this machine, by the commands that GitHub would run.

What cannot be fetched or reached from here has a stand-in of ours: each action a folder in `actions/`, and each program
that talks to somebody else's server a file in `programs/`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.test_workflows import USES

HERE = Path(__file__).parent
OPTIONS = ("--json", "--no-skip-checkout", "--no-cache-server", "--pull=false", "--no-recurse")
RUNNER = "ubuntu-24.04=-self-hosted"


@dataclass(frozen=True)
class Ran:
    """What a run of act did: how each job and each step ended, and all that was said."""

    code: int
    log: list[dict[str, Any]]

    @property
    def jobs(self) -> dict[str, str]:
        """The result of each job by its id; a job of a matrix has the values of its entry behind it."""
        return {named(line): line["jobResult"] for line in self.log if "jobResult" in line}

    @property
    def steps(self) -> dict[str, str]:
        main = (line for line in self.log if line.get("stage") == "Main" and len(line["stepID"]) == 1)
        return {line["step"]: line["stepResult"] for line in main if "stepResult" in line}

    @property
    def said(self) -> str:
        return "".join(line["msg"] for line in self.log if line.get("raw_output") or line.get("level") == "error")


def named(line: dict[str, Any]) -> str:
    return " ".join([line["jobID"], *(str(value) for value in line["matrix"].values())])


@dataclass
class Act:
    """Where jobs run: a repository that they check out, and the machine."""

    origin: Path
    environment: dict[str, str]
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    """What the steps find in their environment, besides what GitHub has in it."""

    def run(self, workflow: str, *job: str, event: str = "push", **payload: Any) -> Ran:
        """Run a workflow, or one job of it with what it needs, as this event of GitHub's would."""
        (self.folder / "event.json").write_text(json.dumps(payload))
        command = [Path(sys.executable).with_name("act"), event, *OPTIONS, f"--platform={RUNNER}"]
        command += [f"--workflows=.github/workflows/{workflow}", f"--eventpath={self.folder / 'event.json'}"]
        command += [f"--action-cache-path={self.folder / 'cache'}", "--secret=GITHUB_TOKEN=a-token"]
        command += [f"--local-repository={each}" for each in stand_ins(self.origin)]
        given = self.environment | {"ORIGIN": f"file://{self.origin}"} | self.variables
        command += [f"--env={name}={value}" for name, value in given.items()]
        command += [f"--job={name}" for name in job]
        done = subprocess.run(
            command,
            cwd=self.origin,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
            check=False,
        )
        return Ran(done.returncode, list(lines(done.stdout)))


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
