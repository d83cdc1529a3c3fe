"""Deploy to Kubernetes, from the overlays of `deploy/kubernetes`."""

import re
import subprocess
import time
from dataclasses import dataclass

from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, print_error

POLL_SECONDS = 2.0
# Longer than the Job's activeDeadlineSeconds and the Deployment's progressDeadlineSeconds, which end it with a reason.
MIGRATE_SECONDS = 960
ROLL_OUT = "--timeout=600s"


def kubectl(*arguments: str, given: str | None = None) -> str:
    command = ["kubectl", *arguments]
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise CommandError(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout


@dataclass(frozen=True)
class Target:
    name: str
    environment: str

    @property
    def overlay(self) -> str:
        return str(PROJECT / "deploy/kubernetes/overlays" / self.environment)

    @property
    def namespace(self) -> str:
        found = re.search(r"^  namespace: \"?([a-z0-9-]+)", kubectl("kustomize", self.overlay), re.MULTILINE)
        return f"--namespace={found[1] if found else 'default'}"

    def manifests(self, folder: str, image: str) -> str:
        """The manifests of a kustomization, with this image wherever they name one of the service."""
        line = rf'^( +(?:- )?image: )"?(?:[\w.:/-]+/)?{self.name}(?:[:@]\S+)?$'
        text, count = re.subn(line, rf"\g<1>{image}", kubectl("kustomize", folder), flags=re.MULTILINE)
        if not count:
            raise CommandError(f"{folder} does not name an image {self.name}")
        return text

    def migrate(self, image: str) -> None:
        """Run the Job to its end. Its pods cannot be changed, so that the last one's goes first."""
        labels = f"app.kubernetes.io/name={self.name},app.kubernetes.io/component=migration"
        kubectl("delete", "job", self.namespace, f"--selector={labels}", "--ignore-not-found")
        applied = kubectl(
            "apply", "--filename=-", "--output=name", given=self.manifests(f"{self.overlay}/migrate", image)
        )
        job = next(line for line in applied.splitlines() if line.startswith("job"))
        end = time.monotonic() + MIGRATE_SECONDS
        while "Complete" not in (state := self._conditions(job)):
            if "Failed" in state or time.monotonic() > end:
                print_error(kubectl("logs", self.namespace, job, "--tail=50"))
                raise CommandError("The migration failed. The version before it is still running")
            time.sleep(POLL_SECONDS)

    def _conditions(self, job: str) -> str:
        return kubectl("get", self.namespace, job, "--output=jsonpath={.status.conditions[*].type}")

    def roll_out(self, image: str) -> bool:
        kubectl("apply", "--filename=-", given=self.manifests(self.overlay, image))
        return self._is_rolled_out()

    def roll_back(self, image: str) -> None:
        kubectl("rollout", "undo", self.namespace, f"deployment/{self.name}")
        if not self._is_rolled_out():
            raise CommandError(f"The version before {image} does not start either")

    def _is_rolled_out(self) -> bool:
        command = ["kubectl", "rollout", "status", self.namespace, f"deployment/{self.name}", ROLL_OUT]
        return not subprocess.run(command, check=False).returncode
