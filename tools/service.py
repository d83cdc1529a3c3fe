"""The service that the tools work on: the one in the current folder."""

import os
import subprocess
import sys
from pathlib import Path

from tools.terminal import CommandError

PROJECT = Path.cwd()
# What has to import the service runs by its own Python: this one has only what the tools need.
PYTHON = os.environ.get("SERVICE_PYTHON", sys.executable)
_OURS = ("PYTHONPATH", "SERVICE_PYTHON", "TEMPLATE_CLONE", "VIRTUAL_ENV")


def run(*arguments: str, folder: Path, sources: tuple[Path, ...] = ()) -> str:
    """Run the service's Python in a folder; its `app` is that of `sources`, not the installed one."""
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    if sources:
        environment["PYTHONPATH"] = os.pathsep.join(map(str, sources))
    done = subprocess.run(
        [PYTHON, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it printed nothing"]
        raise CommandError(said[-1])
    return done.stdout
