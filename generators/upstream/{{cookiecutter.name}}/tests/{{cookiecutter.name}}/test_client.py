{%- set u = cookiecutter | upstream -%}
{%- set api = u.name ~ "_api: " ~ u.type ~ "API" -%}
"""Calls to the {{ u.words }} API, with a stand-in for it in every scenario."""

from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.{{ u.name }}.client import {{ u.type }}, fetch_{{ u.one }}
from app.{{ u.name }}.schemas import {{ u.one_type }}
from app.main import create_app
from app.settings import Settings
from tests.{{ u.name }}_api import {{ u.type }}API

ID = "0199a2b4-5c6d-7e8f-9a0b-1c2d3e4f5a6b"
PATH = f"/fetched/{ID}"


@pytest.fixture
def short_timeouts() -> bool:
    return False


@pytest.fixture
def settings(settings: Settings, {{ api }}, short_timeouts: bool) -> Settings:
    return {{ u.name }}_api.called_by(settings, short_timeouts=short_timeouts)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """The service with a route that returns what it fetches."""
    app = create_app(settings)

    @app.get("/fetched/{ {{- u.one }}_id}")
    async def fetched({{ u.one }}_id: UUID, upstream: {{ u.type }}) -> {{ u.one_type }}:
        return await fetch_{{ u.one }}(upstream, {{ u.one }}_id)

    return app


async def test_a_valid_response(client: AsyncClient, {{ api }}) -> None:
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()) == (200, {"id": ID})
    [request] = {{ u.name }}_api.requests
    assert request.headers["X-Request-ID"] == answer.headers["X-Request-ID"]


async def test_an_item_that_does_not_exist(client: AsyncClient, {{ api }}) -> None:
    {{ u.name }}_api.scenario = "not found"
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/{{ u.one_slug }}-unavailable")


@pytest.mark.parametrize("short_timeouts", [True])
@pytest.mark.parametrize("scenario", ["slow", "drip"])
async def test_a_slow_api_is_a_problem(client: AsyncClient, {{ api }}, scenario: str) -> None:
    {{ u.name }}_api.scenario = scenario
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["type"]) == (504, "/problems/upstream-timeout")


@pytest.mark.parametrize(
    "scenario", ["garbage", "wrong", "broken", "busy", "unauthorized", "forbidden", "rate limited"]
)
async def test_a_failing_api_is_a_problem(client: AsyncClient, {{ api }}, scenario: str) -> None:
    {{ u.name }}_api.scenario = scenario
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["type"]) == (502, "/problems/upstream-failed")


async def test_a_call_to_a_busy_api_is_retried(client: AsyncClient, {{ api }}) -> None:
    {{ u.name }}_api.scenario = "busy once"
    assert (await client.get(PATH)).status_code == 200
    assert len({{ u.name }}_api.requests) == 2


async def test_the_circuit_breaker_opens(client: AsyncClient, {{ api }}) -> None:
    {{ u.name }}_api.scenario = "broken"
    answers = [await client.get(PATH) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [502] * 5 + [503]
    assert answers[-1].json()["type"] == "/problems/upstream-unavailable"
    assert len({{ u.name }}_api.requests) == 5


class TestDown:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        nowhere = settings.{{ u.name }}.model_copy(update={"base_url": "http://127.0.0.1:1/"})
        return settings.model_copy(update={"{{ u.name }}": nowhere})

    async def test_an_api_that_is_down(self, client: AsyncClient) -> None:
        answer = await client.get(PATH)
        assert (answer.status_code, answer.json()["type"]) == (502, "/problems/upstream-failed")
