import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.dev.project import PROJECT


@pytest.fixture(autouse=True)
def restored_signals() -> Iterator[None]:
    """Undo what a command's `main` does to the process; what it ignores in the end, later children would ignore."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def project() -> Iterator[Path]:
    """A copy, so that no test touches the database that a developer works with."""
    with tempfile.TemporaryDirectory() as name:
        for part in ("dev", "migrations", "src"):
            shutil.copytree(PROJECT / part, Path(name, part))
        shutil.copy(PROJECT / "pyproject.toml", name)
        yield Path(name)
