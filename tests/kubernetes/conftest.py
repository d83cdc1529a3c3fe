from pathlib import Path

import pytest

from tests.baking import Baker
from tests.kubernetes.manifests import DEPLOY, OVERLAYS, Manifest, fill_in_secrets, render

type Rendered = dict[str, list[Manifest]]


@pytest.fixture(scope="session")
def deployed(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a service with its manifests, ready to be applied; tests only read it."""
    service = baker.bake(tmp_path_factory.mktemp("deployed"), {"kubernetes": "yes"})
    fill_in_secrets(service)
    return service


@pytest.fixture(scope="session")
def rendered(deployed: Path) -> Rendered:
    """Give all manifests by the name of the overlay; its migrations are `staging/migrate`."""
    names = [name for overlay in OVERLAYS for name in (overlay, f"{overlay}/migrate")]
    return {name: render(deployed / DEPLOY / "overlays" / name) for name in names}


@pytest.fixture(params=OVERLAYS)
def overlay(rendered: Rendered, request: pytest.FixtureRequest) -> list[Manifest]:
    """Give what is applied of the service itself, in each environment."""
    return rendered[request.param]


@pytest.fixture(params=[name for each in OVERLAYS for name in (each, f"{each}/migrate")])
def applied(rendered: Rendered, request: pytest.FixtureRequest) -> list[Manifest]:
    """Give what is applied at each step, in each environment."""
    return rendered[request.param]
