"""`make up`, `make up with=tls` and `make down`: the containers of `compose.yaml` with overlays of `deploy/compose`.

Ends with 2 if `with` names an overlay that does not exist, or if Docker is missing, and else as `docker compose` does.
"""

import os
import shutil
import sys

from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, run_command

FOLDER = "deploy/compose"
NEEDS = {"scale": ("tls",)}  # Its proxy and its replicas use the certificates of tls.yaml.


def overlays(names: list[str]) -> list[str]:
    """Add the overlays that these need, before them. The stack for Swarm is not one."""
    known = sorted({path.stem for path in (PROJECT / FOLDER).glob("*.yaml")} - {"swarm"})
    if unknown := [name for name in names if name not in known]:
        raise CommandError(f"There is no overlay {unknown[0]!r}. Choose from: with={', with='.join(known)}")
    found = list(dict.fromkeys(each for name in names for each in (*NEEDS.get(name, ()), name)))
    # It runs uvicorn, which does not read the settings of the other overlays.
    if "dev" in found and len(found) > 1:
        raise CommandError("The overlay 'dev' cannot be combined with others: make up with=dev")
    return found


def command(action: str) -> list[str]:
    if not shutil.which("docker"):
        raise CommandError("there is no `docker` on the PATH, and this needs Docker with compose")
    names = overlays(os.environ.get("with", "").split()) if action == "up" else []  # noqa: SIM112 - As typed.
    # Relative paths in all files start at the folder of the first one.
    files = ("compose.yaml", *(f"{FOLDER}/{name}.yaml" for name in names))
    # The containers of overlays that are not wanted now are orphans.
    arguments = ["up", *([] if os.environ.get("IMAGE") else ["--build"]), "--wait"] if action == "up" else ["down"]
    return ["docker", "compose", *(f"--file={each}" for each in files), *arguments, "--remove-orphans"]


def main(action: str) -> int:
    os.chdir(PROJECT)
    arguments = command(action)
    return os.execvp(arguments[0], arguments)  # noqa: S606 - Its signals and its exit code are its own.


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1]), name=f"make {sys.argv[1]}"))
