"""A service's own `make check`: all of it, or without the tests of what a change cannot have touched."""

from pathlib import Path

from tests.services import run

# Folders of tests of a service: of the server and the tools, which are long, and of what no feature is in.
PROCESSES = ("server", "dev")
NOT_FEATURES = (*PROCESSES, "kit")


def check(service: Path, machine: dict[str, str], *but_for: str) -> None:
    run("make", "check", cwd=service, environment=machine | without(*but_for), within=1500)


def without(*folders: str) -> dict[str, str]:
    """Give the variable by which pytest leaves these folders out, and with them the bound of the coverage."""
    options = [*(f"--ignore=tests/{folder}" for folder in folders), "--cov-fail-under=0"]
    return {"PYTEST_ADDOPTS": " ".join(options)} if folders else {}
