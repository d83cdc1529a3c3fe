"""Programs that note how they were called, and answer as a test says."""

import os
import sys
from pathlib import Path

import pytest

# Isolated, and without what would be measured in it: it starts in no time.
_PROGRAM = """#!{python} -IS
import os, sys
from pathlib import Path
line = " ".join(["{name}", *sys.argv[1:]])
given = sys.stdin.read() if "--filename=-" in sys.argv else ""
with Path("{log}").open("a") as log:
    shown = ("IMAGE", "MIGRATION") if "stack" in line else ()
    print(line, *(f"{{each}}={{os.environ[each]}}" for each in shown), file=log)
Path("{log}").with_suffix(".given").open("a").write(given)
for answer in sorted(Path("{answers}").iterdir(), key=lambda path: -len(path.name)):
    part, _, code = answer.name.rpartition("=")
    if part in line:
        print(answer.read_text(), end="")
        sys.exit(int(code))
"""


class Programs:
    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "programs"
        self.answers = folder / "answers"
        self.log = folder / "log.txt"
        for each in (self.folder, self.answers):
            each.mkdir()
        patch.setenv("PATH", f"{self.folder}:{os.environ['PATH']}")

    def add(self, name: str, answers: dict[str, tuple[int, str]]) -> None:
        """Add a program: the longest part of its command line that is known decides its exit code and output."""
        text = _PROGRAM.format(python=sys.executable, name=name, log=self.log, answers=self.answers)
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)
        for part, (code, said) in answers.items():
            for old in self.answers.glob(f"{part}=*"):
                old.unlink()
            (self.answers / f"{part}={code}").write_text(said)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def given(self) -> str:
        """All that the programs read."""
        return self.log.with_suffix(".given").read_text()
