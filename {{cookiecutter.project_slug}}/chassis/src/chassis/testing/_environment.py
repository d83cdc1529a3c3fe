"""The environment of the tests: nothing of the developer's, and a value for each setting that must have one."""

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
    """Begin with the tests that have a timeout of their own: they are long, and the others run beside them."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config) -> Path:
    """The folder of the service: its pyproject.toml names the application, the settings and the migrations."""
    return pytestconfig.rootpath


@pytest.fixture(scope="session", autouse=True)
def clean_environment(project: Path) -> Iterator[None]:
    """Take away what the developer's environment says to a service, or to git."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
            patch.delenv(name)
        for name, value in examples(project):
            patch.setenv(name, value)
        yield
