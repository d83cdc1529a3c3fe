import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.postgres import PROJECT


@pytest.fixture(scope="session")
def project() -> Iterator[Path]:
    """A copy, so that no test touches the database that a developer works with."""
    with tempfile.TemporaryDirectory() as name:
        for part in ("dev", "migrations", "src"):
            shutil.copytree(PROJECT / part, Path(name, part))
        shutil.copy(PROJECT / "pyproject.toml", name)
        yield Path(name)
