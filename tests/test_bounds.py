"""The oldest versions that `pyproject.toml` allows are enough."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.baking import ROOT, SERVICE, Baker
from tests.services import run


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_a_service_passes_its_tests_on_the_lower_bounds(
    baker: Baker, machine: dict[str, str], tmp_path: Path
) -> None:
    service = baker.bake(tmp_path)
    machine = machine | {"UV_RESOLUTION": "lowest-direct"}

    run("make", "test", cwd=service, environment=machine, within=1500)

    listed = run("uv", "pip", "list", "--format=freeze", cwd=service, environment=machine)
    installed = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", listed, re.MULTILINE))
    bounds = lower_bounds(service)
    assert bounds
    newer = {name: installed[name] for name, at in bounds.items() if not is_release(installed[name], of=at)}
    assert newer == {}


def test_uv_has_one_version_everywhere() -> None:
    """The Dockerfile names a minor version, and `make pin-images` adds the digest."""
    install = re.compile(r"pip install .* uv==(\d+\.\d+\.\d+)$", re.MULTILINE)
    [ours], [theirs] = (install.findall((path / "Makefile").read_text()) for path in (ROOT, ROOT / SERVICE))
    [image] = re.findall(
        r"^FROM ghcr\.io/astral-sh/uv:(\S+) ", (ROOT / SERVICE / "Dockerfile").read_text(), re.MULTILINE
    )
    chassis = tomllib.loads((ROOT / SERVICE / "chassis/pyproject.toml").read_text())
    [backend] = chassis["build-system"]["requires"]

    assert ours == theirs
    assert is_release(ours, of=image)
    assert backend.startswith(f"uv_build>={image},")


def lower_bounds(service: Path) -> dict[str, str]:
    project = tomllib.loads((service / "pyproject.toml").read_text())
    named = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?>=([\d.]+)$", "\n".join(named), re.MULTILINE))


def is_release(version: str, *, of: str) -> bool:
    """Tell whether it is the bound, or the first patch of it: 9.2.0 of 9.2."""
    return f"{version}.".startswith(f"{of}.")
