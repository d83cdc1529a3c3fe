"""The running image: it stops without cutting a request, and its health check finds a frozen worker."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.containers.engine import container, docker, eventually, inspect
from tests.services import call, free_address

pytestmark = [pytest.mark.container, pytest.mark.heavy, pytest.mark.timeout(400)]

# The health check of the image, with shorter intervals.
QUICK = ("--health-interval=1s", "--health-retries=2", "--health-start-period=1s")
FREEZE = """
import os, signal
for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
    if pid not in (1, os.getpid()):
        os.kill(pid, signal.SIGSTOP)
"""


@contextmanager
def served(image: str, service: Path, *options: str) -> Iterator[tuple[str, str]]:
    """Serve the slow application of the chassis's own tests from the image."""
    address = free_address()
    tests = f"--volume={service / 'chassis/tests'}:/service/tests:ro"
    example = "--env=PYTHONPATH=/service/lib:/service/tests/example/src"
    command = ["gunicorn", "tests.server.app:create_app()"]
    ours = (tests, example, f"--publish={address}:8000")
    with container(image, *command, options=(*ours, *options)) as name:
        eventually(lambda: answers(f"http://{address}/readyz"), "for an answer")
        yield name, f"http://{address}"


def answers(url: str) -> bool:
    try:
        return call("GET", url).status == 200
    except (URLError, ConnectionError):
        return False


def health(name: str) -> str:
    status: str = inspect(name)["State"]["Health"]["Status"]
    return status


def test_a_stop_lets_a_request_finish(image: str, packed: Path) -> None:
    with served(image, packed) as (name, url):
        found: list[int] = []
        # Longer than drain and lame duck: the request is still active when the listener is closed.
        request = threading.Thread(target=lambda: found.append(call("GET", f"{url}/slow?seconds=8").status))
        request.start()
        time.sleep(0.5)
        docker("stop", "--timeout=30", name)
        request.join(15)
        state, said = inspect(name)["State"], docker("logs", name)

    assert found == [200]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    assert "lifespan: closed" in said


def test_a_server_that_answers_is_healthy(image: str) -> None:
    with container(image) as name:
        eventually(lambda: health(name) == "healthy", "for it to be healthy")


def test_a_worker_that_is_frozen_is_not(image: str, packed: Path) -> None:
    with served(image, packed, *QUICK) as (name, _):
        eventually(lambda: health(name) == "healthy", "for it to be healthy")
        docker("exec", name, "python", "-c", FREEZE)
        eventually(lambda: health(name) == "unhealthy", "for it to be unhealthy")
        assert "TimeoutError" in inspect(name)["State"]["Health"]["Log"][-1]["Output"]


def test_a_container_without_a_server_is_not(image: str) -> None:
    with container(image, "sleep", "60", options=QUICK) as name:
        eventually(lambda: health(name) == "unhealthy", "for it to be unhealthy")
        assert "ConnectionRefusedError" in inspect(name)["State"]["Health"]["Log"][-1]["Output"]


def test_a_wrong_setting_is_one_line_and_exit_code_78(image: str) -> None:
    with container(image, options=("--env", "APP_DATABASE__URLS=x")) as name:
        assert docker("wait", name).strip() == "78"
        assert docker("logs", name) == "configuration: APP_DATABASE__URLS: no setting has this name\n"
