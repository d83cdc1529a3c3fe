import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError, run_command
from tests.dev.waiting import has_ended, wait_until

WORK = """
import signal, sys, time
from chassis.dev.processes import child
from chassis.dev.terminal import end_on_signals, print_status
end_on_signals()
try:
    with child(["sleep", "60"], stop=[(signal.SIGTERM, 3)]) as process:
        print_status(str(process.pid))
        time.sleep(60)
except KeyboardInterrupt:
    print_status("Stopped.")
"""


WAIT = """
import os, time
from chassis.dev.terminal import watch_callers
is_wanted = watch_callers()
print(os.getpid(), flush=True)
while is_wanted():
    time.sleep(0.02)
"""
TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_each_signal_ends_the_work_in_order_even_when_it_comes_twice(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", WORK], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as work:
        assert work.stdout
        pid = int(work.stdout.readline())

        work.send_signal(number)
        work.send_signal(number)

        assert work.wait(60) == 0
        assert work.stdout.read() == "Stopped.\n"
    assert has_ended(pid)


def test_nohup_keeps_its_meaning() -> None:
    code = (
        "import os, signal; from chassis.dev.terminal import end_on_signals; end_on_signals(); os.kill(os.getpid(), 1)"
    )

    subprocess.run(["nohup", sys.executable, "-c", code], cwd=PROJECT, check=True, capture_output=True)


def test_a_terminal_that_is_closed_ends_the_work_too() -> None:
    terminal, inside = pty.openpty()
    work = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL + WORK],
        cwd=PROJECT,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    pid = int(os.read(terminal, 100))

    os.close(terminal)

    wait_until(lambda: has_ended(pid))
    assert work.wait(60) == 0


def test_the_work_is_no_longer_wanted_when_make_was_killed(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text('wait:\n\t@"$$PYTHON" -c "$$WAIT"\n')
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # Of make test.
    variables = inherited | {"PYTHON": sys.executable, "WAIT": WAIT}
    command = ["make", "--no-print-directory", "--file", str(tmp_path / "Makefile")]
    with subprocess.Popen(command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True) as make:
        assert make.stdout
        pid = int(make.stdout.readline())
        assert not has_ended(pid)

        make.kill()

        wait_until(lambda: has_ended(pid))


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (CommandError("No url. Type url=…"), 1, "make x: No url. Type url=…\n"),
        (FileNotFoundError("docker"), 1, "make x: docker\n"),
        (KeyboardInterrupt(), 130, "Stopped\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_command_ends_with_a_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    def main() -> int:
        raise error

    assert run_command(main, name="make x", failed=1, stopped="Stopped") == code
    assert capsys.readouterr() == ("", line)
