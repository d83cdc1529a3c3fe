import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.containers.engine import docker, execute, unique


@pytest.fixture(scope="session", autouse=True)
def _engine(compose: None) -> None:
    """Skip all of these tests if there is no engine."""


@pytest.fixture(scope="session")
def packed(baker: Baker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a service whose image no other test builds; tests change only copies of it."""
    return baker.bake(tmp_path_factory.mktemp("packed"), {"project_slug": unique("test")})


@pytest.fixture(scope="session")
def image(packed: Path) -> Iterator[str]:
    execute("make", "image", cwd=packed, env=os.environ | {"IMAGE": ""})
    yield f"{packed.name}:local"
    docker("image", "rm", "--force", f"{packed.name}:local")
