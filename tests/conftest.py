from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dev.bake import export
from tests.baking import Baker

pytest_plugins = ["tests.measurements", "tests.services", "tests.histories", "tests.additions"]

# How long one example takes says more about the machine's other work than about the template.
settings.register_profile("template", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("template")


@pytest.fixture(scope="session", autouse=True)
def _without_locks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKIP_UV_LOCK", "1")
        yield


@pytest.fixture(scope="session")
def baker(tmp_path_factory: pytest.TempPathFactory) -> Baker:
    """Give the template as git would hold it, never the working tree with its caches and locks."""
    return Baker(export(tmp_path_factory.mktemp("export")), tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def baked(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the default service to tests that only read it."""
    return baker.bake(tmp_path_factory.mktemp("baked"))
