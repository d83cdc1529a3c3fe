"""Each job of a service's workflows that a machine without GitHub can run."""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.measurements import Measure
from tests.services import free_address, run
from tests.test_workflows import read
from tests.workflows.act import Act

# The tests of a feature: enough to see that a job reaches its database. The job `check` runs them all.
FEW = {"PYTEST_ADDOPTS": "-k orders --cov-fail-under=0"}


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.jobs("check.yml", "check")
def test_check(service: Act, measure: Measure) -> None:
    start = time.perf_counter()
    ran = service.run("check.yml", "--job=check", event="pull_request")
    measure("the job check of a service", time.perf_counter() - start)

    assert ran.jobs == {"check": "success"}
    assert ran.steps == {"actions/checkout": "success", "make check-lock": "success", "make check": "success"}


@pytest.mark.timeout(600)
@pytest.mark.jobs("check.yml", "compatibility", "chassis")
def test_what_is_compared_with_main_passes_where_nothing_has_changed(service: Act) -> None:
    ran = service.run("check.yml", "--job=compatibility", event="pull_request")
    ran_too = service.run("check.yml", "--job=chassis", event="pull_request")

    assert ran.jobs | ran_too.jobs == {"compatibility": "success", "chassis": "success"}
    assert 'make check-api base="$BASE"' in ran.steps
    assert 'make check-chassis base="$BASE"' in ran_too.steps
    assert " passed" not in ran_too.said


@pytest.mark.container
@pytest.mark.usefixtures("engine")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("major", ["18"])
@pytest.mark.jobs("check.yml", "postgres 18")
def test_check_on_a_postgresql_beside_it(service: Act, major: str) -> None:
    """The test starts the container that the workflow asks for: act does so only for jobs in containers."""
    address = free_address()
    job = read(service.origin / ".github/workflows/check.yml")["jobs"]["postgres"]
    [image] = [each["image"] for each in job["strategy"]["matrix"]["include"] if each["major"] == major]
    # By its tag: a digest is known only to who can ask a registry.
    with service_container(job["services"]["postgres"], image.partition("@")[0], address) as container:
        before = sessions(container)
        here = service.having(**FEW).replacing({"127.0.0.1:5432": address})
        ran = here.run("check.yml", "--job=postgres", f"--matrix=major:{major}", event="pull_request")
        after = sessions(container)

    assert ran.jobs == {f"postgres {major}": "success"}
    assert after > before + 3  # More than its health checks open.


@contextmanager
def service_container(asked: dict[str, Any], image: str, address: str) -> Iterator[str]:
    [port] = asked["ports"]
    options = [f"--env={name}={value}" for name, value in asked["env"].items()]
    options += [f"--publish={port.replace('127.0.0.1:5432', address, 1)}", *shlex.split(asked["options"])]
    start = ["docker", "run", "--detach", "--rm", *options, image]
    container = subprocess.check_output(start, text=True).strip()
    try:
        health = ["docker", "inspect", "--format={{.State.Health.Status}}", container]
        end = time.monotonic() + 60
        while subprocess.check_output(health, text=True).strip() != "healthy":
            assert time.monotonic() < end
            time.sleep(0.2)
        yield container
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=True)


def sessions(container: str) -> int:
    statement = "SELECT sum(sessions) FROM pg_stat_database"
    command = [
        "docker",
        "exec",
        container,
        "psql",
        "--username=postgres",
        "--tuples-only",
        "--command",
        statement,
    ]
    return int(subprocess.check_output(command, text=True))


@pytest.mark.container
@pytest.mark.usefixtures("compose")
@pytest.mark.timeout(1200)
@pytest.mark.jobs("check.yml", "image")
def test_the_image_and_compose(service: Act) -> None:
    address, project = free_address(), f"workflows-{os.getpid()}"
    # docker finds its plugins and its configuration at home.
    machine = service.machine | {name: os.environ[name] for name in ("HOME", "PATH")}
    names = {"IMAGE": f"{project}:check", "COMPOSE_PROJECT_NAME": project, "PUBLISH": address}
    here = replace(service, machine=machine).having(**names)
    here = here.replacing({"service:check": f"{project}:check", "127.0.0.1:8000": address})
    try:
        ran = here.run("check.yml", "--job=image", event="pull_request")
    finally:
        down = ("docker", "compose", "down", "--volumes", "--timeout", "5")
        run(*down, cwd=here.origin, environment=machine | names)
        subprocess.run(["docker", "rmi", names["IMAGE"]], capture_output=True, check=False)

    assert ran.jobs == {"image": "success"}
    assert "anchore/scan-action" in ran.steps
    assert "docker compose logs" not in ran.steps
    assert "/v1/orders 200" in ran.said


@pytest.mark.timeout(600)
@pytest.mark.jobs("release.yml", "image", "staging", "production", "notes")
@pytest.mark.jobs("deploy.yml", "deploy")
def test_a_tag_becomes_a_signed_image_that_is_deployed_twice(released: Act) -> None:
    ran = released.run("release.yml", ref="refs/tags/v1.4.0")

    assert ran.jobs == {"image": "success", "deploy": "success", "notes": "success"}
    *deployed, noted = released.commands
    image = f"IMAGE=ghcr.io/owner/{released.origin.name}:1.4.0@sha256:"
    assert len(deployed) == 2
    assert all(image in line and "MIGRATION=alembic upgrade head" in line for line in deployed)
    assert noted.startswith("gh release create v1.4.0 --repo owner/")


@pytest.mark.timeout(600)
def test_only_what_the_release_has_signed_is_deployed(released: Act) -> None:
    image = f"ghcr.io/owner/{released.origin.name}:1.4.0@sha256:{'0' * 64}"
    elsewhere = "https://github.com/owner/other/.github/workflows/release.yml@refs/tags/v1.4.0"
    (released.folder / "signatures").write_text(f"{image} {elsewhere}\n")
    inputs = (f"--input=image={image}", "--input=environment=staging", "--input=migrate=no")

    with pytest.raises(AssertionError, match="'deploy': 'failure'"):
        released.run("deploy.yml", *inputs, event="workflow_dispatch")

    assert not (released.folder / "commands").exists()


@pytest.mark.timeout(600)
@pytest.mark.jobs("update.yml", "images", "propose-images", "template", "propose-template")
def test_the_weekly_updates_are_proposed(released: Act) -> None:
    ran = released.run("update.yml", event="workflow_dispatch")

    assert ran.jobs == dict.fromkeys(["images", "propose-images", "template", "propose-template"], "success")
    assert (
        "make update" not in ran.steps
    )  # The service is not linked to its template; tests/test_updates.py runs it.
    assert "Nothing has changed" in ran.said
    show = ("git", "show", "update/images:Dockerfile")
    assert "-slim@sha256:" in run(*show, cwd=released.origin, environment=released.machine)
    assert [line.split()[1:3] for line in released.commands] == [
        ["pr", "list"],
        ["pr", "create"],
        ["workflow", "run"],
    ]


@pytest.mark.timeout(600)
def test_what_an_update_brings_does_not_run_where_the_token_is(released: Act) -> None:
    hostile = r"""printf 'propose:\n\tenv >"$$RECORD/environment"\n' >Makefile"""
    here = released.replacing({"make pin-images": hostile})

    ran = here.run("update.yml", "--job=propose-images", event="workflow_dispatch")

    assert ran.jobs == {"images": "success", "propose-images": "success"}
    assert not (here.folder / "environment").exists()
    show = ("git", "show", "update/images:Makefile")
    assert "environment" in run(*show, cwd=here.origin, environment=here.machine)
