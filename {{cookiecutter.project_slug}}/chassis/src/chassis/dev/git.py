"""Queries of the project's Git repository."""

import subprocess
from collections.abc import Sequence

from chassis.dev.project import PROJECT


def is_nothing(revision: str) -> bool:
    """Whether these are the zeros that a workflow has as the commit before the first push of a branch."""
    return bool(revision) and not revision.strip("0")


def exists(revision: str) -> bool:
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    return not subprocess.run(command, cwd=PROJECT, capture_output=True, check=False).returncode


def added_since(revision: str, folder: str) -> set[str]:
    """The files of a folder that the working tree has and the common ancestor with a revision has not."""
    ancestor = _git("merge-base", "--", revision, "HEAD").strip()
    before = set(_git("ls-tree", "-r", "--name-only", ancestor, "--", folder).splitlines())
    return {str(path.relative_to(PROJECT)) for path in (PROJECT / folder).glob("*.py")} - before


def is_changed_since(revision: str, paths: Sequence[str]) -> bool:
    """Whether the working tree differs in these paths from the common ancestor with a revision."""
    ancestor = _git("merge-base", "--", revision, "HEAD").strip()
    new = _git("ls-files", "--others", "--exclude-standard", "--", *paths)
    return bool(new or _git("diff", "--name-only", ancestor, "--", *paths))


def _git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=PROJECT, text=True)
