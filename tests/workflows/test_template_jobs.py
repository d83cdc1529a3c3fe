"""Each job of the template's workflows that a machine without GitHub can run."""

import pytest

from tests.workflows.act import Act

# All of `.ci/run` runs, `make check` too; pytest finds all tests and runs none, or this one would run itself.
COLLECTED = {"PYTEST_ADDOPTS": "--collect-only"}
# As in tests/workflows/test_service_jobs.py, which runs all of a service's check.
FEW = {"PYTEST_ADDOPTS": "-k orders --cov-fail-under=0"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.jobs("ci.yml", "test")
def test_ci_runs_what_the_readme_says(template: Act) -> None:
    ran = template.having(**COLLECTED).run("ci.yml", "--job=test", event="pull_request")

    assert ran.jobs == {"test": "success"}
    assert ran.steps == {"actions/checkout": "success", ".ci/run": "success"}
    assert "test_ci_runs_what_the_readme_says" in ran.said
    assert "tests collected" in ran.said


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.jobs("weekly.yml", "linux")
def test_the_weekly_run_on_linux(template: Act) -> None:
    ran = template.having(**COLLECTED).run("weekly.yml", "--job=linux", event="schedule")

    assert ran.jobs == {"linux": "success"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.jobs("release.yml", "test", "release")
def test_a_tag_becomes_a_release_with_its_notes(template: Act) -> None:
    ran = template.having(**COLLECTED).run("release.yml", ref="refs/tags/v0.1.0")

    assert ran.jobs == {"test": "success", "release": "success"}
    assert template.commands[-1] == "gh release create v0.1.0 --verify-tag --notes-file notes.md"


@pytest.mark.timeout(600)
@pytest.mark.jobs("ci.yml", "workflows")
def test_the_check_of_the_workflows(template: Act) -> None:
    ran = template.run("ci.yml", "--job=workflows", event="pull_request")

    assert ran.jobs == {"workflows": "success"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.jobs("ci.yml", "bakes no 3.13")
def test_one_of_the_bakes(template: Act) -> None:
    chosen = ("--matrix=python_version:3.13", "--matrix=kubernetes:no")
    ran = template.having(**FEW).run("ci.yml", "--job=bakes", *chosen, event="pull_request")

    assert ran.jobs == {"bakes no 3.13": "success"}
