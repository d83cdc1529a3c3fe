"""The manifests that kubectl would apply, as Python objects."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

type Manifest = dict[str, Any]

OVERLAYS = ("staging", "production")
DEPLOY = Path("deploy/kubernetes")
PASSWORD = "s3cr=t #1"  # noqa: S105 - Of nothing.


def has_kustomize() -> bool:
    return bool(shutil.which("kubectl"))


def render(folder: Path) -> list[Manifest]:
    """Build a folder as `kubectl apply -k` does."""
    if not has_kustomize():
        pytest.skip("there is no kubectl here")
    built = subprocess.run(
        ["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=300, check=False
    )
    assert (built.returncode, built.stderr) == (0, "")
    return list(yaml.safe_load_all(built.stdout))


def only(manifests: list[Manifest], kind: str) -> Manifest:
    [found] = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


def pod(manifests: list[Manifest]) -> Manifest:
    """The pod of the Deployment or of the Job: whichever there is."""
    [found] = (manifest for manifest in manifests if manifest["kind"] in {"Deployment", "Job"})
    template: Manifest = found["spec"]["template"]
    return template


def container(manifests: list[Manifest]) -> Manifest:
    [found] = pod(manifests)["spec"]["containers"]
    named: Manifest = found
    return named


def environment(manifests: list[Manifest]) -> dict[str, str]:
    """The variables that the container starts with."""
    [source] = container(manifests)["envFrom"]
    settings = only(manifests, "ConfigMap")
    assert settings["metadata"]["name"] == source["configMapRef"]["name"]
    own = {each["name"]: each["value"] for each in container(manifests).get("env", [])}
    return {**settings["data"], **own}


def number(quantity: str) -> float:
    """Read what Kubernetes calls a quantity: 500m, 384Mi, 1."""
    units = {"m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    unit = next((unit for unit in units if quantity.endswith(unit)), "")
    return float(quantity.removesuffix(unit)) * units.get(unit, 1)


def fill_in_secrets(service: Path) -> None:
    """Do what docs/kubernetes.md asks for first."""
    for overlay in OVERLAYS:
        example = service / DEPLOY / "overlays" / overlay / "environment/secrets.env.example"
        filled = example.read_text().replace("password=\n", f"password={PASSWORD}\n")
        example.with_name("secrets.env").write_text(filled)
