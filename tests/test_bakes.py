"""What a service holds that was just made, with every combination of the options."""

import itertools
import json
import tomllib
from pathlib import Path

import pytest

from tests.baking import ROOT, SERVICE, UNRENDERED, Baker, files

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text())
OPTIONS = ("python_version", "license", "kubernetes")
COMBINATIONS = list(itertools.product(*(QUESTIONS[option] for option in OPTIONS)))
# What an option owns, all of it and nothing else: see the table in the hook.
OWNED = {"kubernetes": ("deploy/kubernetes/", "docs/kubernetes.md")}
LICENCES = {
    "MIT": "MIT License\n\nCopyright (c) Shop & Co\n",
    "Apache-2.0": "Apache License\n                           Version 2.0, January 2004\n",
    "Proprietary": "Copyright (c) Shop & Co. All rights reserved.\n",
}


@pytest.mark.parametrize("chosen", COMBINATIONS, ids="-".join)
def test_every_combination_of_options(baker: Baker, tmp_path: Path, chosen: tuple[str, ...]) -> None:
    answers = dict(zip(OPTIONS, chosen, strict=True))
    python, licence, _ = chosen
    service = baker.bake(tmp_path, answers | {"owner": "Shop & Co"})

    assert (service / ".python-version").read_text() == f"{python}\n"
    assert (service / "LICENSE").read_text().lstrip().startswith(LICENCES[licence])
    assert not (service / "licenses").exists()
    tomllib.loads((service / "pyproject.toml").read_text())
    assert {option: answers[option] for option in OWNED} == {option: has(service, option) for option in OWNED}
    assert_no_residue(service)
    assert_nothing_of_this_machine(service, (str(baker.template), str(baker.home), str(tmp_path)))


def has(service: Path, option: str) -> str:
    """Tell whether a service has what an option owns: `yes`, `no`, or what is wrong."""
    found = {owned for owned in OWNED[option] for name in files(service) if name.startswith(owned)}
    empty = [path for path in service.rglob("*") if path.is_dir() and not any(path.iterdir())]
    return {0: "no", len(OWNED[option]): "yes"}.get(len(found), str(found)) if not empty else str(empty)


def test_each_licence_is_a_whole_file(baker: Baker) -> None:
    named = {path.stem for path in (baker.template / SERVICE / "licenses").iterdir()}
    assert named == set(QUESTIONS["license"]) == set(LICENCES)


def test_every_question_is_asked_in_words() -> None:
    asked = {name for name in QUESTIONS if not name.startswith("_")}
    choices = {name for name in asked if isinstance(QUESTIONS[name], list)}

    assert set(QUESTIONS["__prompts__"]) == asked
    for name in choices - {"python_version"}:
        assert set(QUESTIONS["__prompts__"][name]) == {"__prompt__", *QUESTIONS[name]}


def assert_no_residue(service: Path) -> None:
    for name, path in files(service).items():
        # The name alone is allowed, because `make resource` runs cookiecutter.
        assert not UNRENDERED.search(path.read_text()), name
        assert "cookiecutter" not in name


def assert_nothing_of_this_machine(service: Path, folders: tuple[str, ...]) -> None:
    here = (str(ROOT), *folders)
    leftovers = {".venv", ".uv", "__pycache__", ".git", ".env", "uv.lock", ".postgres", ".hypothesis"}
    leftovers |= {".mypy_cache", ".ruff_cache", ".pytest_cache", ".coverage", "licenses"}
    for name, path in files(service).items():
        assert not leftovers & set(Path(name).parts), name
        assert not path.suffix.startswith(".py") or path.suffix == ".py", name
        assert not [text for text in here if text in path.read_text()], name
