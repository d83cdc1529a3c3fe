"""Deploy to the Docker Swarm that DOCKER_HOST names, from `deploy/compose/swarm.yaml`."""

import json
import os
import subprocess
from dataclasses import dataclass

from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, print_status

FILE = "deploy/compose/swarm.yaml"


def docker(*arguments: str, **variables: str) -> int:
    command = ["docker", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=os.environ | variables, check=False).returncode


@dataclass
class Target:
    name: str
    migration: str = "true"
    """What each replica does before it serves: nothing, unless `migrate` says so."""

    @property
    def service(self) -> str:
        return f"{self.name}_app"

    def migrate(self, image: str) -> None:
        """Leave it to the first replica of `image` that starts."""
        del image
        self.migration = "alembic upgrade head"

    def roll_out(self, image: str) -> bool:
        """Swarm goes back by itself when a new replica does not become healthy; then another image runs than asked."""
        if not (PROJECT / FILE).is_file():
            raise CommandError(f"There is neither deploy/kubernetes nor {FILE} to deploy {image} with")
        deploy = ("stack", "deploy", "--detach=false", "--with-registry-auth", f"--compose-file={FILE}", self.name)
        return not docker(*deploy, IMAGE=image, MIGRATION=self.migration) and self._running() == image

    def _running(self) -> str:
        command = ["docker", "service", "inspect", self.service]
        found = json.loads(subprocess.check_output(command, cwd=PROJECT))
        return str(found[0]["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])

    def roll_back(self, image: str) -> None:
        if self._running() != image:
            print_status("Swarm has already rolled back")
        elif docker("service", "rollback", "--detach=false", self.service):
            raise CommandError(
                f"{self.service} could not be rolled back. For the reason, type: docker service ps {self.service}"
            )
