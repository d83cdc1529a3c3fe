"""A test that hangs ends, and says where; under uvloop a signal would never be seen by a test that loops."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

pytestmark = pytest.mark.usefixtures("unmeasured")

HANGING = """
import pytest

@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio", {"use_uvloop": True}

async def test_it():
    while True:
        pass
"""


@pytest.mark.timeout(60)
def test_a_test_that_loops_is_ended(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING)
    options = [f"--config-file={ROOT}/pyproject.toml", "--timeout=1", f"--rootdir={tmp_path}"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path / "test_hanging.py")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "Timeout" in run.stdout + run.stderr
    assert "in test_it" in run.stdout + run.stderr
