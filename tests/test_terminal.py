"""Answers as a user gives them: typed, or on the command line of cookiecutter."""

import contextlib
import os
import pty
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from local_extensions import EXAMPLES
from tests.baking import Baker

QUESTIONS = (*EXAMPLES, "python_version", "license", "kubernetes")
REFUSED = [
    ("project_name", " "),
    ("project_name", "{{ x }}"),
    ("project_slug", "Bad/Slug"),
    ("project_slug", "a/b"),
    ("description", "{% x %}"),
    ("description", "a\u2028b"),
    ("owner", "{{ x }}"),
    ("owner", "{{ 7*7 }}"),
]
AWKWARD = r"""It's "so": {x} } \n \\ # & % ${HOME} $$ `id` <b> *a* _b_ [c](d) | 注文 🧾 👨‍👩‍👧"""


def typed(answers: dict[str, str]) -> list[str]:
    return [answers.get(question, "") for question in QUESTIONS]


def converse(baker: Baker, cwd: Path, answers: Iterable[str]) -> tuple[int, str]:
    """Run cookiecutter on a terminal and answer each question; hand back the exit code and the screen."""
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "cookiecutter", str(baker.template)]
    environment = baker.environment(cwd) | {"TERM": "dumb", "COLUMNS": "200"}
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=its_end, stdout=its_end, stderr=its_end
    ) as program:
        os.close(its_end)
        screen, waiting = b"", list(answers)
        with contextlib.suppress(OSError):  # How Linux says that nobody has the other end open.
            while read := os.read(terminal, 4096):
                screen += read
                if waiting and screen.endswith(b"): "):
                    os.write(terminal, waiting.pop(0).encode() + b"\n")
        os.close(terminal)
    return program.returncode, screen.decode()


@pytest.mark.parametrize(("question", "text"), [*REFUSED, ("description", "a\nb"), ("project_name", "")])
def test_a_refusal_on_the_command_line(baker: Baker, tmp_path: Path, question: str, text: str) -> None:
    said = baker.run("cookiecutter", str(baker.template), "--no-input", f"{question}={text}", cwd=tmp_path)
    (line,) = said.stdout.splitlines()

    assert line.startswith(f"{question}: ")
    assert said.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("question", "text"), REFUSED)
def test_a_refusal_of_what_was_typed(baker: Baker, tmp_path: Path, question: str, text: str) -> None:
    keys = "".join(f"{answer}\n" for answer in typed({question: text}))
    said = baker.run("cookiecutter", str(baker.template), cwd=tmp_path, typed=keys)
    last = said.stdout.splitlines()[-1]  # The answers are not echoed, so it follows the last question.

    assert f": {question}: " in last
    assert "Traceback" not in said.stdout
    assert said.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_all_refusals_on_a_terminal(baker: Baker, tmp_path: Path) -> None:
    bad = {"project_name": "{%", "project_slug": "Bad/Slug", "description": "{{ x }}", "owner": "{#"}
    code, screen = converse(baker, tmp_path, typed(bad))

    assert [line.split(":")[0] for line in screen.splitlines()[-4:]] == list(bad)
    assert "Traceback" not in screen
    assert code == 1
    assert list(tmp_path.iterdir()) == []


def test_awkward_text_typed_on_a_terminal(baker: Baker, tmp_path: Path) -> None:
    answers = {"project_slug": "x", "description": AWKWARD, "owner": AWKWARD}
    code, screen = converse(baker, tmp_path, typed(answers))

    assert code == 0, screen
    project = tomllib.loads((tmp_path / "x" / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["description"]) == ("x", AWKWARD)
    assert AWKWARD in (tmp_path / "x" / "LICENSE").read_text()


def test_the_questions_have_words_and_the_defaults_make_a_service(baker: Baker, tmp_path: Path) -> None:
    code, screen = converse(baker, tmp_path, typed({}))

    assert code == 0, screen
    assert "[1/7] Name of the service (Order Service)" in screen
    assert "(order-service)" in screen
    assert screen.rstrip().endswith("make dev")
    assert (tmp_path / "order-service" / "pyproject.toml").exists()


def test_a_choice_that_is_not_offered(baker: Baker, tmp_path: Path) -> None:
    for answer in ("license=GPL", "python_version=2.7", "kubernetes=maybe"):
        said = baker.run("cookiecutter", str(baker.template), "--no-input", answer, cwd=tmp_path)
        question, choice = answer.split("=")
        assert f"{choice} provided for choice variable {question}" in said.stdout
        assert said.returncode == 1
    code, screen = converse(baker, tmp_path, ["", "", "", "", "2.7", "2", "3", "2"])
    assert screen.count("Please select one of the available options") == 1
    assert code == 0, screen
    assert (tmp_path / "order-service" / ".python-version").read_text() == "3.14\n"
    assert (tmp_path / "order-service" / "deploy/kubernetes").is_dir()


def test_nothing_is_left_of_a_bake_that_the_user_gives_up(baker: Baker, tmp_path: Path) -> None:
    said = baker.run("cookiecutter", str(baker.template), cwd=tmp_path, typed="Order\n")
    assert said.returncode == 1
    assert "Traceback" not in said.stdout
    assert list(tmp_path.iterdir()) == []
