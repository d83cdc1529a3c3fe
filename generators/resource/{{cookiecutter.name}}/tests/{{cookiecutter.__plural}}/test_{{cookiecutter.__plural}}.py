{%- set r = cookiecutter | resource -%}
{%- set n = r.name -%}
"""The life of {{ r.one }}, through HTTP."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient

from tests.{{ r.plural }}.factories import OTHER, new_{{ n }}

{{ r.constant }} = "{{ r.route }}"
ANY = {"If-Match": "*"}


async def added(client: AsyncClient, **values: Any) -> dict[str, Any]:
    response = await client.post({{ r.constant }}, json={{ r.new("**values") }})
    assert response.status_code == 201, response.text
    {{ n }}: dict[str, Any] = response.json()
    return {{ n }}


async def test_what_is_added_can_be_got_where_the_location_says(client: AsyncClient) -> None:
    new = {{ r.new() }}
    response = await client.post({{ r.constant }}, json=new)
    assert response.status_code == 201
    {{ n }} = response.json()
    assert {{ n }} == new | {
        "id": {{ n }}["id"],
        "created_at": {{ n }}["created_at"],
        "updated_at": {{ n }}["created_at"],
    }
    assert UUID({{ n }}["id"]).version == 7
    assert (await client.get(response.headers["Location"])).json() == {{ n }}
{% if r.omissible %}

async def test_what_is_left_out_has_its_default(client: AsyncClient) -> None:
    defaults: dict[str, Any] = {{ "{" }}{% for field in r.omissible %}"{{ field.name }}": {{ field.json_default }}{{ ", " if not loop.last }}{% endfor %}{{ "}" }}
    new = {{ r.new() }}
    given = {name: value for name, value in new.items() if name not in defaults}
    response = await client.post({{ r.constant }}, json=given)
    assert response.status_code == 201
    assert response.json() | given | defaults == response.json()
{% endif %}
{%- if r.uniques %}

@pytest.mark.parametrize("field", [{% for field in r.uniques %}"{{ field.name }}"{{ ", " if not loop.last }}{% endfor %}])
async def test_a_taken_value_is_rejected(client: AsyncClient, field: str) -> None:
    first, second = await added(client), await added(client)
    taken = {field: first[field]}
    for response in (
        await client.post({{ r.constant }}, json={{ r.new("**taken") }}),
        await client.patch(f"{{ "{" ~ r.constant ~ "}" }}/{second['id']}", json=taken, headers=ANY),
    ):
        assert response.status_code == 409
        assert response.json()["type"] == "/problems/{{ r.slug }}-exists"
        assert field in response.json()["detail"]
{% endif %}
{%- if r.references %}

@pytest.mark.parametrize("field", [{% for field in r.references %}"{{ field.name }}"{{ ", " if not loop.last }}{% endfor %}])
async def test_a_reference_to_nothing_is_rejected(client: AsyncClient, field: str) -> None:
    {{ n }} = await added(client)
    lost = {field: str(uuid4())}
    for response in (
        await client.post({{ r.constant }}, json={{ r.new("**lost") }}),
        await client.patch(f"{{ "{" ~ r.constant ~ "}" }}/{{ "{" ~ n ~ "['id']}" }}", json=lost, headers=ANY),
    ):
        assert response.status_code == 422
        assert response.json()["type"] == "/problems/{{ r.slug }}-refers-to-nothing"
        assert field in response.json()["detail"]


@pytest.mark.parametrize(("field", "path"), [{% for field in r.references %}("{{ field.name }}", "{{ field.target.route }}"){{ ", " if not loop.last }}{% endfor %}])
async def test_what_is_referred_to_stays(client: AsyncClient, field: str, path: str) -> None:
    {{ n }} = await added(client)
    response = await client.delete(f"{path}/{{ "{" ~ n ~ "[field]}" }}", headers=ANY)
    assert (response.status_code, response.json()["type"]) == (409, "/problems/still-referenced")
{% endif %}

async def test_a_change_takes_what_is_given(client: AsyncClient) -> None:
    {{ n }} = await added(client)
    changes = {{ r.new("**OTHER") }}
    response = await client.patch(f"{{ "{" ~ r.constant ~ "}" }}/{{ "{" ~ n ~ "['id']}" }}", json=changes, headers=ANY)
    assert response.status_code == 200
    changed = response.json()
    assert changed == {{ n }} | changes | {"updated_at": changed["updated_at"]}
    assert (await client.get(f"{{ "{" ~ r.constant ~ "}" }}/{{ "{" ~ n ~ "['id']}" }}")).json() == changed


async def test_a_change_leaves_the_rest(client: AsyncClient) -> None:
    {{ n }} = await added(client)
    for field, value in OTHER.items():
        response = await client.patch(f"{{ "{" ~ r.constant ~ "}" }}/{{ "{" ~ n ~ "['id']}" }}", json={field: value}, headers=ANY)
        {{ n }} |= {field: value, "updated_at": response.json()["updated_at"]}
        assert response.json() == {{ n }}
    response = await client.patch(f"{{ "{" ~ r.constant ~ "}" }}/{{ "{" ~ n ~ "['id']}" }}", json={}, headers=ANY)
    assert response.json() == {{ n }}


async def test_what_is_deleted_is_gone(client: AsyncClient) -> None:
    path = f"{{ "{" ~ r.constant ~ "}" }}/{(await added(client))['id']}"
    response = await client.delete(path, headers=ANY)
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_what_is_not_there_is_not_found(client: AsyncClient, method: str) -> None:
    json = OTHER if method == "PATCH" else None
    response = await client.request(method, f"{{ "{" ~ r.constant ~ "}" }}/{uuid4()}", json=json, headers=ANY)
    assert response.status_code == 404
    assert response.json()["type"] == "/problems/{{ r.slug }}-not-found"


@pytest.mark.parametrize(
    "values",
    [
{%- for field in r.fields %}
{%- for value in field.wrong %}
        {"{{ field.name }}": {{ value }}},
{%- endfor %}
{%- endfor %}
        {"unknown": 1},
    ],
)
async def test_a_wrong_value_is_rejected_with_a_pointer(client: AsyncClient, values: dict[str, Any]) -> None:
    {{ n }} = await added(client)
    for response in (
        await client.post({{ r.constant }}, json={{ r.new("**values") }}),
        await client.patch(f"{{ "{" ~ r.constant ~ "}" }}/{{ "{" ~ n ~ "['id']}" }}", json=values, headers=ANY),
    ):
        assert response.status_code == 422
        assert [error["pointer"] for error in response.json()["errors"]] == [f"/body/{next(iter(values))}"]
