"""`make deploy environment=staging image=ghcr.io/…@sha256:… url=https://…`: migrate, roll out, wait, smoke test.

If the new version does not start, or the smoke test fails, it rolls back and exits with 1. It never downgrades the
database, so each migration must also work with the code before it. To deploy an image older than the database, add
migrate=no: the image does not know the newer migrations.

To the Kubernetes cluster of the kubeconfig where there is a `deploy/kubernetes`, else to the Docker Swarm that
DOCKER_HOST names. A workflow hands over the files that this needs as variables; see FILES.
"""

import os
import re
import sys
import tomllib
from pathlib import Path

from chassis.dev import kubernetes, smoke, swarm
from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, print_error, print_status, run_command

SECRETS = "deploy/kubernetes/overlays/{}/environment/secrets.env"
FILES = {
    "KUBECONFIG_TEXT": "~/.kube/config",
    "SSH_KEY": "~/.ssh/id_ed25519",
    "SSH_KNOWN_HOSTS": "~/.ssh/known_hosts",
    "SECRETS_ENV": SECRETS,
}
_IMAGE = re.compile(r"[a-z0-9][\w./:-]*@sha256:[0-9a-f]{64}")


def answers() -> tuple[str, str, str]:
    """What stands after `make deploy`."""
    environment, image, url = (os.environ.get(name, "") for name in ("environment", "image", "url"))
    if not re.fullmatch(r"[a-z][a-z0-9-]*", environment):
        raise CommandError("The environment is missing or invalid. Type: make deploy environment=staging image=… url=…")
    if not _IMAGE.fullmatch(image):
        raise CommandError(f"The image needs a digest, image=name@sha256:…, and not {image or 'nothing'}")
    return environment, image, url


def write_files(environment: str) -> None:
    """Write files from the environment to their places, readable for this user alone. Overwrite none."""
    for variable, name in FILES.items():
        if text := os.environ.pop(variable, ""):
            path = PROJECT / Path(name.format(environment)).expanduser()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            how = os.O_APPEND if path.name == "known_hosts" else os.O_EXCL
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
            except FileExistsError:
                raise CommandError(f"{variable} is set, but {path} exists already. Remove one of them") from None
            with os.fdopen(descriptor, "w") as file:
                file.write(text.rstrip("\n") + "\n")


def is_wanted(url: str) -> bool:
    if not url:
        print_error("There is no url=…, so there is no smoke test")
        return True
    os.environ["url"] = url  # noqa: SIM112 - As it stands after `make smoke`.
    return smoke.main() == 0


def main() -> int:
    environment, image, url = answers()
    write_files(environment)
    name = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["name"]
    is_kubernetes = (PROJECT / "deploy/kubernetes").is_dir()
    target = kubernetes.Target(name, environment) if is_kubernetes else swarm.Target(name)
    if os.environ.get("migrate") != "no":  # noqa: SIM112 - As it stands after `make`.
        print_status(f"Migrating for {image}")
        target.migrate(image)
    print_status(f"Rolling out {image}")
    if target.roll_out(image) and is_wanted(url):
        print_status(f"Deployed {image}")
        return 0
    print_error(f"{image} does not work. Rolling back")
    target.roll_back(image)
    return 1


if __name__ == "__main__":
    sys.exit(run_command(main))
