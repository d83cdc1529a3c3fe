"""A three-way merge of the template's old version, its new version and this service.

git merges them like branches: it finds moved files, and marks conflicts. Nothing is committed. The two
versions are loose objects, which git removes some weeks later.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.service import PROJECT
from tools.template import skipped
from tools.terminal import CommandError

_NOBODY = {f"GIT_{role}_{part}": "template" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
# Two features that were made alike are not a move from one to the other. A moved module keeps most of its
# lines.
_OPTIONS = ("-c", "merge.directoryRenames=true", "-c", "merge.renames=true")
_MOVED = "-Xfind-renames=90%"


@dataclass(frozen=True)
class Merged:
    conflicts: list[str]
    left_out: list[str]  # Changed by the template, and here no more.
    new: list[str]


def git(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"git {arguments[0]}: {done.stderr.strip().partition('\n')[0]}")
    return done.stdout


def paths(*arguments: str) -> list[str]:
    return [each for each in git(*arguments, "-z").split("\0") if each]


def refuse_unless_clean() -> None:
    """Then an update is one change, which can be reviewed and undone."""
    try:
        git("rev-parse", "--verify", "HEAD^{commit}")
    except (CommandError, OSError) as error:
        raise CommandError(
            "An update needs a git repository. Type: git init && git add --all && git commit -m 'First'"
        ) from error
    if unmerged():
        raise CommandError(
            "The last update or merge is not finished. `git status` shows its conflicts. Resolve them, "
            "git add and git commit; or undo it: git reset --hard"
        )
    if changed := [line[3:] for line in git("status", "--porcelain").splitlines()]:
        names = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if changed[3:] else "")
        raise CommandError(f"There are uncommitted changes. Commit or stash them first: {names}")


def unmerged() -> dict[str, set[int]]:
    """Each file in conflict, with whose versions there are: 1 the old one's, 2 ours, 3 the new one's."""
    found: dict[str, set[int]] = {}
    for line in paths("ls-files", "--unmerged"):
        about, _, path = line.partition("\t")
        found.setdefault(path, set()).add(int(about[-1]))
    return found


def merge(before: Path, after: Path, message: str) -> Merged:
    """Merge two trees; the caller has made sure that there is nothing here to lose."""
    prefix = git("rev-parse", "--show-prefix").strip()
    old = _commit(before, prefix, "The version before")
    new = _commit(after, prefix, message, parent=old)
    if git("rev-parse", f"{old}^{{tree}}") == git("rev-parse", f"{new}^{{tree}}"):
        return Merged([], [], [])
    picked = subprocess.run(
        ["git", *_OPTIONS, "cherry-pick", "--no-commit", _MOVED, new],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if picked.returncode and not unmerged():
        raise CommandError(f"git cannot merge the update: {picked.stderr.strip().replace('\n', ' ')}")
    gone = [path for path, versions in unmerged().items() if versions == {1, 3}]
    gone += _without_a_home(old)
    if gone:
        git("rm", "--quiet", "--force", "--", *gone)
    return Merged(sorted(unmerged()), sorted(gone), _added())


def _commit(folder: Path, prefix: str, message: str, parent: str = "") -> str:
    """Store a folder in this repository, where this service stands in it."""
    for path in skipped(folder):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    root = folder.with_name(f"{folder.name}-root")
    (root / prefix).parent.mkdir(parents=True, exist_ok=True)
    folder.rename(root / prefix)
    index = {"GIT_INDEX_FILE": str(folder.with_name(f"{folder.name}-index")), "GIT_WORK_TREE": str(root)}
    index |= {"GIT_DIR": git("rev-parse", "--absolute-git-dir").strip()}
    git("-C", str(root), "add", "--all", "--force", ".", **index)
    tree = git("write-tree", **index).strip()
    return git("commit-tree", tree, *(("-p", parent) if parent else ()), "-m", message, **_NOBODY).strip()


def _added() -> list[str]:
    return paths("diff", "--cached", "--relative", "--no-renames", "--name-only", "--diff-filter=A", "HEAD")


def _without_a_home(old: str) -> list[str]:
    """New files of a folder that the old version had and this service has not any more."""
    had, has = (set(map(_folder, paths("ls-tree", "-r", "--name-only", tree))) for tree in (old, "HEAD"))
    return [path for path in _added() if _folder(path) in had - has]


def _folder(path: str) -> str:
    return re.sub(r"[^/]*$", "", path)
