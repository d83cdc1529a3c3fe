"""What the changelog promises to those who have a service, held against what was released."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.baking import SERVICE
from tools import changelog

MADE_OF = ("cookiecutter.json", "local_extensions.py", "hooks", "generators", "tools", SERVICE)
MIGRATIONS = f"{SERVICE}/migrations/versions"
# What people change most in a service.
EDITED = ("src/app/main.py", "src/app/settings.py", "pyproject.toml", "Makefile", "compose.yaml")
HAND = "What needs a hand"


@dataclass(frozen=True)
class Release:
    """A version that services have, and the working tree that they are to get."""

    tree: Path
    tag: str

    def git(self, *arguments: str) -> str:
        return ask(self.tree, *arguments)

    def news(self) -> list[changelog.Entry]:
        before = self.git("show", f"{self.tag}:CHANGELOG.md")
        return changelog.news(before, (self.tree / "CHANGELOG.md").read_text())

    def unsaid(self) -> list[str]:
        """The files that are not as they were released, if the changelog has no line more."""
        changed = self.git("diff", "--name-only", self.tag, "--", *MADE_OF).splitlines()
        return [] if self.news() else changed

    def rewritten(self) -> list[str]:
        """Migrations that were released, and are not what databases have been migrated by."""
        return self.git("diff", "--name-only", "--diff-filter=a", self.tag, "--", MIGRATIONS).splitlines()

    def unexplained(self, conflicts: list[str]) -> list[str]:
        """Conflicts that the changelog does not name; a patch may have none at all."""
        if self.is_patch():
            return conflicts
        hands = " ".join(entry.text for entry in self.news() if entry.part == HAND)
        named = {Path(name).name for name in re.findall(r"`([^`]+)`", hands)}
        return [path for path in conflicts if path in EDITED and Path(path).name not in named]

    def is_patch(self) -> bool:
        found = re.search(r"^## (\d+)\.(\d+)\.(\d+)", (self.tree / "CHANGELOG.md").read_text(), re.MULTILINE)
        assert found, "the changelog has no section"
        major, minor, patch = self.tag.removeprefix("v").split(".")
        return found[1] == major and found[2] == minor and found[3] != patch


def releases(tree: Path) -> list[Release]:
    """Find all releases that led here, the newest first; or skip the test, and say why there are none."""
    if not (tree / ".git").exists() or not shutil.which("git"):
        pytest.skip("no repository: nothing to compare with but the histories that tests derive")
    tags = ask(tree, "tag", "--merged", "HEAD", "--sort=-version:refname", "--list", "v[0-9]*").split()
    if not tags:
        is_shallow = ask(tree, "rev-parse", "--is-shallow-repository") == "true\n"
        why = "a shallow clone without tags (git fetch --unshallow --tags)" if is_shallow else "no tag v… yet"
        pytest.skip(f"{why}: nothing to compare with but the histories that tests derive")
    return [Release(tree, tag) for tag in tags if "-" not in tag]


def ask(tree: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=tree, text=True)
