"""Puts the chosen files in their place, locks the dependencies where that works, says what to type next.

Like local_extensions.py it runs on the Python of the user's cookiecutter.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# The one line that is rendered. It takes choices and labels only: a free text would need quoting here.
ANSWERS = "{{ cookiecutter.license }} {{ cookiecutter.kubernetes }} {{ cookiecutter._commit | default('') }}"
LICENSE, KUBERNETES, COMMIT = ANSWERS.split(" ")

# An option that branches owns whole files: what was chosen moves to its place, the rest goes.
LICENSES = {
    "MIT": "licenses/MIT.txt",
    "Apache-2.0": "licenses/Apache-2.0.txt",
    "Proprietary": "licenses/Proprietary.txt",
}
OPTIONS = {
    "kubernetes": (KUBERNETES, ("deploy/kubernetes", "docs/kubernetes.md")),
}
LOCK_SECONDS = 120  # Some ninety packages with an empty cache on a slow line; a second or two otherwise.


def main() -> None:
    Path(LICENSES[LICENSE]).replace("LICENSE")
    shutil.rmtree("licenses")
    for answer, owned in OPTIONS.values():
        if answer == "no":
            remove(owned)
    if is_compared():
        return
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
    return bool(COMMIT) and in_temporary and parent.name.startswith(tempfile.gettempprefix())


def lock() -> None:
    uv = working_uv()
    if not uv:
        print("No uv works here, so there is no uv.lock yet: `make dev` gets one and writes it.")
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
