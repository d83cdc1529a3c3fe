{%- set u = cookiecutter | upstream -%}
"""A stand-in for the {{ u.words }} API."""

from collections.abc import Iterator

import pytest
from chassis.testing import StandIn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class {{ u.type }}API(StandIn):
    upstream = "{{ u.name }}"
    path = "/v1/{{ u.slug }}/{id}"

    def good(self, request: Request) -> Response:
        return JSONResponse({"id": request.path_params["id"]})


@pytest.fixture(scope="session")
def {{ u.name }}_server() -> Iterator[{{ u.type }}API]:
    with {{ u.type }}API.running() as api:
        yield api


@pytest.fixture
def {{ u.name }}_api({{ u.name }}_server: {{ u.type }}API) -> {{ u.type }}API:
    {{ u.name }}_server.reset()
    return {{ u.name }}_server
