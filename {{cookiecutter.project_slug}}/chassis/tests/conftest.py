"""The chassis's own tests run on a small service of their own: tests/example."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from chassis.database import DatabaseSettings
from example.main import create_app
from example.settings import Settings
from tests.places import EXAMPLE, ROOT

pytest_plugins = ["chassis.testing", "tests.effects", "tests.database.executors", "tests.upstreams.upstreams"]


@pytest.fixture(scope="session")
def project() -> Path:
    return EXAMPLE


@pytest.fixture(scope="session", autouse=True)
def importable(clean_environment: None) -> Iterator[None]:
    """Let processes that tests start import the example, and applications of the tests."""
    del clean_environment
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(EXAMPLE / "src"), str(ROOT)]))
        yield


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes that only run what is left out of the coverage, or measured elsewhere."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def settings(database_settings: DatabaseSettings) -> Settings:
    return Settings(environment="development", database=database_settings)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)
