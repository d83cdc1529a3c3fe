"""Every job of every workflow runs in a test, or is named here with the reason why only GitHub can run it."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_workflows import OURS, THEIRS, read
from tests.workflows import test_service_jobs, test_template_jobs
from tests.workflows.act import HERE, entry, stand_ins

OTHER_ENTRY = "The same steps with other answers: tests/test_checks.py shows that two checks are enough"
ONLY_ON_GITHUB = {
    "ours weekly.yml macos": "It needs macOS",
    "ours ci.yml bakes yes 3.13": OTHER_ENTRY,
    "ours ci.yml bakes no 3.14": OTHER_ENTRY,
    "ours ci.yml bakes yes 3.14": OTHER_ENTRY,
}
MODULES = {"ours": test_template_jobs, "theirs": test_service_jobs}


def jobs(path: Path) -> Iterator[str]:
    """Name each job, and each entry of its matrix."""
    for name, job in read(path)["jobs"].items():
        matrix = job.get("strategy", {}).get("matrix", {})
        if "include" in matrix:
            entries = matrix["include"]
        else:
            entries = [dict(zip(matrix, values, strict=True)) for values in product(*matrix.values())]
        for each in entries:
            yield f"{path.name} {entry(name, each)}"


def run_by_tests(module: ModuleType) -> Iterator[str]:
    for test in vars(module).values():
        for mark in getattr(test, "pytestmark", ()):
            if mark.name == "jobs":
                workflow, *names = mark.args
                yield from (f"{workflow} {name}" for name in names)


def test_a_job_runs_here_or_is_named_as_one_that_only_github_can_run() -> None:
    all_jobs = {f"ours {job}" for path in OURS for job in jobs(path)}
    all_jobs |= {f"theirs {job}" for path in THEIRS for job in jobs(path)}
    run_here = {f"{whose} {job}" for whose, module in MODULES.items() for job in run_by_tests(module)}

    assert run_here | ONLY_ON_GITHUB.keys() == all_jobs
    assert run_here & ONLY_ON_GITHUB.keys() == set()


@pytest.mark.parametrize("whose", MODULES)
def test_a_test_that_names_jobs_says_what_became_of_them(whose: str) -> None:
    for name, test in vars(MODULES[whose]).items():
        if any(mark.name == "jobs" for mark in getattr(test, "pytestmark", ())):
            assert ".jobs" in (HERE / f"{MODULES[whose].__name__.rpartition('.')[2]}.py").read_text(), name


def test_there_is_a_stand_in_for_each_action_and_no_other(baked: Path) -> None:
    used = {Path(line.partition("=")[2]) for line in stand_ins(baked)}

    assert used == set((HERE / "actions").iterdir())
