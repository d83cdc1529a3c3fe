"""The environment of the tests: without the developer's variables, and with a value for each required setting."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from chassis.dev.project import examples

# This machine may be busy. Where the environment says CI, the examples are the same each time.
hypothesis_settings.register_profile("service", hypothesis_settings.default, deadline=None)
hypothesis_settings.load_profile("service")

_FOREIGN = ("APP_", "GIT_AUTHOR_", "GIT_COMMITTER_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the tests that have their own timeout: they are long, and the others run beside them."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config) -> Path:
    """The folder of the service: its pyproject.toml names the application, the settings and the migrations."""
    return pytestconfig.rootpath


@pytest.fixture(scope="session", autouse=True)
def clean_environment(project: Path) -> Iterator[None]:
    """Remove the variables of the developer that a service or git would read."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
            patch.delenv(name)
        for name, value in examples(project):
            patch.setenv(name, value)
        yield
