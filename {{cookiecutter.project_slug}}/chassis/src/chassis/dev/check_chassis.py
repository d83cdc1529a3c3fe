"""`make check-chassis`: check the format, lint, types and tests of the chassis; `make check` does not.

With `base=origin/main` it runs only if `chassis/`, `uv.lock` or `.python-version` differ from that version. A service
that installs a published chassis has no folder `chassis/` and nothing to check.
"""

import os
import subprocess
import sys

from chassis.dev.git import exists, is_changed_since, is_nothing
from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, print_error, print_status, run_command

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
        print_status("There is no folder chassis/ to check: this service installs a published chassis")
        return 0
    if base and not is_nothing(base):
        if not exists(base):
            raise CommandError(f"There is no version {base} to compare with. Type `git fetch`, or name another: base=…")
        if not is_changed_since(base, MATTERS):
            print_status(f"The chassis and its environment do not differ from {base}")
            return 0
    # The environment is the service's; this adds what the chassis's own tests need.
    uv = (os.environ.get("UV", "uv"), "run", "--quiet", "--package", "service-chassis")
    for step in STEPS:
        if code := subprocess.run([*uv, *step], cwd=FOLDER, check=False).returncode:
            print_error(f"In chassis/: {' '.join(step[:2])} failed")
            return code
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
