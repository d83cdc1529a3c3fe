"""`make check-chassis`: format, lint, types and tests of the chassis itself, which `make check` takes as given.

With `base=origin/main` it runs only where what the chassis is made of or runs on differs from that version. A service
that has the chassis as a package of an index has no folder `chassis/`, and nothing to check: where it is published, it
is checked.
"""

import os
import subprocess
import sys

from chassis.dev.git import exists, is_changed_since, is_nothing
from chassis.dev.project import PROJECT
from chassis.dev.terminal import complain, say

FOLDER = PROJECT / "chassis"
MATTERS = ("chassis", "uv.lock", ".python-version")
STEPS = (
    ("ruff", "format", "--check", "--quiet", "."),
    ("ruff", "check", "--quiet", "."),
    ("mypy", "--no-error-summary"),
    # More processes than a runner has cores: much of the time a test waits for a server.
    ("pytest", "--numprocesses", "3", "--dist", "worksteal", "--cov"),
)


def main() -> int:
    base = os.environ.get("base", "")  # noqa: SIM112 - As it stands after `make`.
    if not FOLDER.is_dir():
        say("There is no folder chassis/ here: the chassis is a package, and is checked where it is published")
        return 0
    if base and not is_nothing(base):
        if not exists(base):
            complain(f"There is no {base} to compare with: `git fetch` brings it")
            return 2
        if not is_changed_since(base, MATTERS):
            say(f"Nothing that matters to the chassis differs from {base}")
            return 0
    # The environment is the service's; this adds what the chassis's own tests need.
    uv = (os.environ.get("UV", "uv"), "run", "--quiet", "--package", "service-chassis")
    for step in STEPS:
        if code := subprocess.run([*uv, *step], cwd=FOLDER, check=False).returncode:
            complain(f"In chassis/: {' '.join(step[:2])} failed")
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
