"""What the tests of this service run on; all other fixtures are those of `chassis.testing`."""

import pytest
from chassis.database import DatabaseSettings
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings

pytest_plugins = [
    "chassis.testing",
    "tests.rates_api",
]


@pytest.fixture
def settings(database_settings: DatabaseSettings) -> Settings:
    """A setting without a default has the value that `.env.example` gives."""
    return Settings(environment="development", database=database_settings)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)
