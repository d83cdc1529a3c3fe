"""The application as a whole."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI

from chassis.dev.project import loaded, names
from chassis.settings import EnvironmentSettings
from chassis.testing._application import ClientFactory, opened
from chassis.upstreams import Upstream


def test_the_document_is_named_after_the_project(app: FastAPI) -> None:
    about = app.openapi()["info"]
    assert about["title"] not in ("", "app", "FastAPI")
    assert about["description"]


def test_a_304_is_promised_only_where_the_header_is_read(app: FastAPI) -> None:
    """`cacheable()` on a route of another class than ConditionalRoute would promise what never comes."""
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            read = {each["name"].lower() for each in operation.get("parameters", [])}
            assert ("304" in operation["responses"]) == ("if-none-match" in read), f"{method.upper()} {path}"


async def test_two_applications_live_in_one_process(app: FastAPI, settings: EnvironmentSettings, project: Path) -> None:
    other: FastAPI = loaded(names(project).application)(settings)
    async with opened(app) as ours, opened(other) as theirs:
        for name, value in ours.items():
            assert value is not theirs[name], name


async def test_the_pools_are_closed_with_the_application(app: FastAPI, client_for: ClientFactory) -> None:
    async with opened(app) as state, client_for(state) as client:
        await client.get("/readyz")
        pool: Any = state["database"].engine.pool
        assert pool.checkedin() == 1
    assert pool.checkedin() == 0
    assert all(each.client.is_closed for each in state.values() if isinstance(each, Upstream))
