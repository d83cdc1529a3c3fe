"""A run as small as can be, and one that is stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.baking import ROOT
from tests.services import started

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not sys.platform.startswith("linux") or not (shutil.which("wrk") and shutil.which("taskset")):
        pytest.skip("the benchmark needs Linux, wrk and taskset")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("the benchmark needs two cores")
    return tmp_path_factory.mktemp("bench")


def benchmark(folder: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    environment = {**os.environ, "QUICK": "1", "ONLY": "service"}
    return started(sys.executable, "-m", "benchmarks", str(folder), cwd=ROOT, environment=environment)


def left_running(folder: Path) -> list[str]:
    """Return what still runs and was started from the folder or works in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
            if str(folder) in command or (process / "cwd").readlink().is_relative_to(folder):
                found.append(command)
        except OSError:
            continue
    return found


def test_a_small_run_measures_floor_and_service(folder: Path) -> None:
    before = documents()
    with benchmark(folder) as process:
        said, _ = process.communicate(timeout=300)

    assert process.returncode == 0, said
    rows = [line.split(" | ") for line in said.splitlines() if line.startswith("| ")]
    by_title = {row[0].strip("| *").split(",")[0]: row[2:] for row in rows}
    shares = [float(cell.strip("* |")) for cell in by_title["the service as generated"]]
    assert len(shares) == 4
    assert all(0.01 < share < 1 for share in shares)
    assert [float(cell.strip(" |")) for cell in by_title["raw ASGI"]] == [1] * 4
    assert left_running(folder) == []
    # What is not a whole run is nobody's figure.
    assert documents() == before


def documents() -> list[bytes]:
    return [(ROOT / name).read_bytes() for name in ("README.md", "docs/benchmark.md", "docs/benchmark.json")]


def test_ctrl_c_stops_all_of_it(folder: Path) -> None:
    with benchmark(folder) as process:
        assert process.stdout
        assert any(line.startswith("comparison") for line in process.stdout)
        time.sleep(3)
        assert len(left_running(folder)) > 3  # The database, and a server or two.
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=300)

    assert process.returncode == 1
    assert said.splitlines()[-1] == "stopped; all that it had started has ended"
    assert left_running(folder) == []
