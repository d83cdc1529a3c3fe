{%- set r = cookiecutter | resource -%}
{%- set n = r.name -%}
"""Pages of {{ r.many }}: complete, in order, and of what was asked for."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.{{ r.plural }}.factories import OTHER, new_{{ n }}

{{ r.constant }} = "{{ r.route }}"


async def add(client: AsyncClient, **values: Any) -> dict[str, Any]:
    {{ n }}: dict[str, Any] = (await client.post({{ r.constant }}, json={{ r.new("**values") }})).json()
    return {{ n }}


async def walk(client: AsyncClient, **params: Any) -> list[list[str]]:
    """Follow the cursors and return the ids of each page."""
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        asked = params | ({"cursor": cursor} if cursor else {})
        response = await client.get({{ r.constant }}, params=asked)
        assert response.status_code == 200, response.text
        pages.append([each["id"] for each in response.json()["items"]])
        cursor = response.json()["next_cursor"]
        if cursor is None:
            return pages


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 4), (3, [3, 1]), (2, [2, 2]), (100, [4])])
async def test_pages_are_complete_and_in_order(client: AsyncClient, limit: int, sizes: list[int]) -> None:
    ids = [(await add(client))["id"] for _ in range(4)]
    pages = await walk(client, limit=limit)
    assert [len(page) for page in pages] == sizes
    assert [each for page in pages for each in page] == ids[::-1]


async def test_there_is_nothing_to_list(client: AsyncClient) -> None:
    assert await walk(client) == [[]]
{% if r.filters %}

@pytest.mark.parametrize("field", [{% for field in r.filters %}"{{ field.name }}"{{ ", " if not loop.last }}{% endfor %}])
async def test_the_list_filters_by_what_has_an_index(client: AsyncClient, field: str) -> None:
    wanted = await add(client)
    await add(client, **OTHER)
    assert await walk(client, **{field: wanted[field]}) == [[wanted["id"]]]
{% endif %}

@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"cursor": ""}])
async def test_wrong_parameters_are_rejected(client: AsyncClient, params: dict[str, Any]) -> None:
    response = await client.get({{ r.constant }}, params=params)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [f"/query/{next(iter(params))}"]
