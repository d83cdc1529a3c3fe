"""Puts the chosen files in their place, links and locks the service if possible, and prints the next command.

Like local_extensions.py it runs on the Python of the user's cookiecutter.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# The one line that is rendered. The filter escapes whatever a string of Python could take for its end.
ANSWERS = json.loads("{{ cookiecutter | for_hook }}")

# An option that branches owns whole files: what was chosen moves to its place, the rest goes.
LICENSES = {
    "MIT": "licenses/MIT.txt",
    "Apache-2.0": "licenses/Apache-2.0.txt",
    "Proprietary": "licenses/Proprietary.txt",
}
OPTIONS = {
    "kubernetes": (ANSWERS["kubernetes"], ("deploy/kubernetes", "docs/kubernetes.md")),
}
LOCK_SECONDS = 120  # Some ninety packages with an empty cache on a slow line; a second or two otherwise.


def main() -> None:
    Path(LICENSES[ANSWERS["license"]]).replace("LICENSE")
    shutil.rmtree("licenses")
    for answer, owned in OPTIONS.values():
        if answer == "no":
            remove(owned)
    if is_compared():
        return
    link()
    if not os.environ.get("SKIP_UV_LOCK"):
        lock()
    print(f"\nNext:\n\n    cd {shlex.quote(folder())}\n    make dev\n")


def remove(owned: tuple[str, ...]) -> None:
    for path in map(Path, owned):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        with contextlib.suppress(OSError):  # Others have files there.
            path.parent.rmdir()


def is_compared() -> bool:
    """Tell `cruft update` and `cruft diff`, which make services in temporary folders to compare them."""
    parent = Path.cwd().parent
    in_temporary = parent.parent == Path(tempfile.gettempdir()).resolve()
    return "_commit" in ANSWERS and in_temporary and parent.name.startswith(tempfile.gettempprefix())


def link() -> None:
    """Write `.cruft.json` as cruft does, if the template has a version: a zip or an edited clone has none."""
    state = Path(".cruft.json")
    state.unlink(missing_ok=True)  # Of an older version, where a service is made again.
    if "_commit" in ANSWERS:
        return  # cruft writes it by itself.
    is_repository = git("rev-parse", "--show-cdup") == ""
    if is_repository and git("rev-parse", "HEAD") and git("status", "--porcelain") == "":
        text = json.dumps(version(), ensure_ascii=False, indent=2, separators=(",", ": "))
        state.write_text(f"{text}\n", "utf-8")


def version() -> dict[str, Any]:
    template, commit, checkout = source(), git("rev-parse", "HEAD"), ANSWERS.get("_checkout")
    # cookiecutter may take an older clone that it has, whatever version was asked for.
    if checkout and commit not in map(commit_of, (checkout, f"origin/{checkout}")):
        checkout = None
    of_this_machine = ("_checkout", "_output_dir", "_repo_dir")
    answers = {name: answer for name, answer in ANSWERS.items() if name not in of_this_machine}
    context = {"cookiecutter": {**answers, "_template": template, "_commit": commit}}
    found = {"template": template, "commit": commit, "checkout": checkout}
    return {**found, "context": context, "directory": None}


def source() -> str:
    """Name the template so that others find it too: by its URL if that has this version, or by its folder."""
    origin = git("remote", "get-url", "origin")
    if origin and (":" in ANSWERS["_template"] or git("branch", "--remotes", "--contains", "HEAD")):
        return re.sub(r"^(https?://)[^/@]*@", r"\1", origin)  # A password is nobody else's.
    return str(ANSWERS["_repo_dir"])


def commit_of(revision: str) -> str | None:
    return git("rev-parse", "--verify", "--end-of-options", f"{revision}^0")


def git(*arguments: str) -> str | None:
    """Ask the template's repository; None if there is none, or no git."""
    command = ["git", "-C", ANSWERS["_repo_dir"], *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def lock() -> None:
    uv = working_uv()
    if not uv:
        print("There is no uv.lock yet, because uv does not run here. `make dev` installs uv and writes it.")
        return
    print("Locking the dependencies (uv lock).", flush=True)
    # Any Python that the service allows will do, and .python-version may name one that is not installed.
    python = ["--python", sys.executable] if sys.version_info >= (3, 13) else []
    try:
        subprocess.run([*uv, "lock", *python], check=True, timeout=LOCK_SECONDS)
    except (OSError, subprocess.SubprocessError, KeyboardInterrupt):
        print("There is no uv.lock yet. When there is a network, `make dev` writes it, or type: uv lock")


def working_uv() -> list[str] | None:
    """Try each: a shim of another Python version can be the first on the PATH and fail."""
    for uv in ([os.environ.get("UV", "uv")], ["uv"], [sys.executable, "-m", "uv"]):
        try:
            subprocess.run([*uv, "--version"], check=True, capture_output=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            continue
        return uv
    return None


def folder() -> str:
    """Name the service's folder as seen from where the user is, which is not where a hook runs."""
    here = Path.cwd()
    user = Path(os.environ.get("PWD", here.parent)).resolve()
    return str(here.relative_to(user) if here.is_relative_to(user) else here)


main()
