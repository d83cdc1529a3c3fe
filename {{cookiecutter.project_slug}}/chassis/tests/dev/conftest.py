import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import EXAMPLE


@pytest.fixture(autouse=True)
def restored_signals(unmeasured: None) -> Iterator[None]:
    """Undo what a command's `main` does to the process; what it ignores in the end, later children would ignore."""
    del unmeasured  # Each of these starts what users start.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def copied() -> Iterator[Path]:
    """A copy, so that no test touches the database that a developer works with."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(shutil.copytree(EXAMPLE, name, dirs_exist_ok=True))
