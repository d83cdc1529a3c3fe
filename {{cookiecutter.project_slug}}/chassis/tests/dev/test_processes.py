import subprocess
import sys
from signal import SIGKILL, SIGTERM
from time import monotonic

import pytest

from chassis.dev.processes import child, run
from chassis.dev.project import PROJECT
from tests.dev.waiting import has_ended, wait_until

STOP = ((SIGTERM, 30.0), (SIGKILL, 30.0))
DEAF = "trap '' TERM INT; echo ready; while true; do sleep 0.1; done"
OWNER = """
import sys, time
from signal import Signals
from chassis.dev.processes import child
with child(["sh", "-c", sys.argv[1]], stop=[(Signals[sys.argv[2]], 1.0)]) as process:
    print(process.pid, flush=True)
    time.sleep(60)
"""


def test_child_is_stopped_by_the_first_signal_that_it_obeys() -> None:
    with child(["sleep", "60"], stop=STOP) as process:
        assert process.poll() is None

    assert process.returncode == -SIGTERM


def test_child_that_obeys_nothing_is_killed() -> None:
    started = monotonic()
    with child(["sh", "-c", DEAF], stop=((SIGTERM, 0.2), (SIGKILL, 30.0)), stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()

    assert process.returncode == -SIGKILL
    assert monotonic() - started < 10


def test_what_a_child_leaves_behind_ends_with_it() -> None:
    with child(["sh", "-c", "sleep 60 & echo $!"], stop=STOP, stdout=subprocess.PIPE) as process:
        assert process.stdout
        left = int(process.stdout.readline())
        process.wait()

    wait_until(lambda: has_ended(left))


def test_child_stops_after_an_exception() -> None:
    with pytest.raises(KeyboardInterrupt), child(["sleep", "60"], stop=STOP) as process:
        raise KeyboardInterrupt

    assert process.returncode == -SIGTERM


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_child_stops_when_its_owner_is_killed(signal: str) -> None:
    command = [sys.executable, "-c", OWNER, "exec sleep 60", signal]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        owner.kill()

    wait_until(lambda: has_ended(pid))


def test_run_gives_the_exit_code_of_a_shell() -> None:
    assert run(["true"], stop=STOP) == 0
    assert run(["sh", "-c", "exit 3"], stop=STOP) == 3
    assert run(["sh", "-c", "kill -9 $$"], stop=STOP) == 137
