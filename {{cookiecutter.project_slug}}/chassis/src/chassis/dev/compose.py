"""`make up`, `make up with=tls` and `make down`: the containers of `compose.yaml` with overlays of `deploy/compose`.

Ends with 2 if `with` names an overlay that there is not, or if Docker is missing, and else as `docker compose` does.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from chassis.dev.project import PROJECT
from chassis.dev.terminal import complain

FOLDER = "deploy/compose"
STACKS = {"swarm"}  # For `docker stack deploy`.
NEEDS = {"scale": ("tls",)}  # Its proxy and its replicas have the certificates of tls.yaml.
ALONE = {"dev"}  # It runs uvicorn, which knows none of the other overlays' settings.


class WrongOverlay(Exception):
    """In one line, what is wrong and what can be given."""


def overlays(folder: Path = PROJECT) -> list[str]:
    return sorted({path.stem for path in (folder / FOLDER).glob("*.yaml")} - STACKS)


def chosen(names: Iterable[str], folder: Path = PROJECT) -> list[str]:
    """Add what the overlays need, before them; or WrongOverlay."""
    names, known = list(names), overlays(folder)
    if unknown := [name for name in names if name not in known]:
        raise WrongOverlay(f"There is no overlay {unknown[0]!r}. Choose from: with={', with='.join(known)}")
    found = list(dict.fromkeys(each for name in names for each in (*NEEDS.get(name, ()), name)))
    if len(found) > 1 and (alone := ALONE.intersection(found)):
        raise WrongOverlay(f"The overlay {min(alone)!r} cannot be combined with others: make up with={min(alone)}")
    return found


def command(action: str, names: Sequence[str], *, build: bool) -> list[str]:
    # Relative paths in all files start at the folder of the first one.
    files = ("compose.yaml", *(f"{FOLDER}/{name}.yaml" for name in names))
    compose = ["docker", "compose", *(f"--file={each}" for each in files)]
    if action == "down":
        return [*compose, "down", "--remove-orphans"]  # Containers of overlays are orphans here.
    return [*compose, "up", *(["--build"] if build else []), "--wait", "--remove-orphans"]


def main(action: str) -> int:
    if not shutil.which("docker"):
        complain(f"make {action} needs Docker with compose, and there is no `docker` on the PATH")
        return 2
    try:
        names = chosen(os.environ.get("with", "").split()) if action == "up" else []  # noqa: SIM112 - As after `make`.
    except WrongOverlay as error:
        complain(f"make up: {error}")
        return 2
    os.chdir(PROJECT)
    arguments = command(action, names, build=not os.environ.get("IMAGE"))
    return os.execvp(arguments[0], arguments)  # noqa: S606 - Its signals and its exit code are its own.


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
