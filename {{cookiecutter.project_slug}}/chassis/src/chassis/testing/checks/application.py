"""The application as a whole."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI

from chassis import routing
from chassis.dev.project import loaded, names
from chassis.settings import EnvironmentSettings, SettingsGroup
from chassis.testing._application import ClientFactory, opened
from chassis.upstreams import Upstream


def test_the_document_is_named_after_the_project(app: FastAPI) -> None:
    about = app.openapi()["info"]
    assert about["title"] not in ("", "app", "FastAPI")
    assert about["description"]


def test_each_route_has_the_class_that_it_needs(app: FastAPI) -> None:
    """`create_app` ends with this check, too; without it a mistake would fail at the first request."""
    routing.check(app)


async def test_two_applications_live_in_one_process(app: FastAPI, settings: EnvironmentSettings, project: Path) -> None:
    other: FastAPI = loaded(names(project).application)(settings)
    async with opened(app) as ours, opened(other) as theirs:
        for name, value in ours.items():
            assert value is not theirs[name] or isinstance(value, SettingsGroup), name  # Settings never change.


async def test_the_pools_are_closed_with_the_application(app: FastAPI, client_for: ClientFactory) -> None:
    async with opened(app) as state, client_for(state) as client:
        await client.get("/readyz")
        pool: Any = state["database"].engine.pool
        assert pool.checkedin() == 1
    assert pool.checkedin() == 0
    assert all(each.client.is_closed for each in state.values() if isinstance(each, Upstream))
