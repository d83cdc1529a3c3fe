"""What commands ask of the project's Git repository."""

import subprocess

from chassis.dev.project import PROJECT


def is_nothing(revision: str) -> bool:
    """Whether this is what stands in a workflow for the commit before the first push of a branch: zeros."""
    return bool(revision) and not revision.strip("0")


def exists(revision: str) -> bool:
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    return not subprocess.run(command, cwd=PROJECT, capture_output=True, check=False).returncode


def added_since(revision: str, folder: str) -> set[str]:
    """The files of a folder that the working tree has and the common ancestor with a revision has not."""
    ancestor = _git("merge-base", "--", revision, "HEAD").strip()
    before = set(_git("ls-tree", "-r", "--name-only", ancestor, "--", folder).splitlines())
    return {str(path.relative_to(PROJECT)) for path in (PROJECT / folder).glob("*.py")} - before


def uncommitted() -> list[str] | None:
    """The files of the project that differ from the last commit; None where there is none."""
    if not exists("HEAD"):
        return None
    return [line[3:] for line in _git("status", "--porcelain", "--", ".").splitlines()]


def _git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=PROJECT, text=True)
