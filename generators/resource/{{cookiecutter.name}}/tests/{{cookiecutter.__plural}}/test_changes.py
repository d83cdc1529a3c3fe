{%- set r = cookiecutter | resource -%}
{%- set n = r.name -%}
"""Changes of {{ r.one }} by clients that have read it, and by others meanwhile."""

import asyncio
from uuid import uuid4

import pytest
from httpx2 import AsyncClient, Response

from tests.{{ r.plural }}.factories import OTHER, new_{{ n }}

{{ r.constant }} = "{{ r.route }}"


async def added(client: AsyncClient) -> Response:
    return await client.post({{ r.constant }}, json={{ r.new() }})


async def test_each_change_makes_another_tag(client: AsyncClient) -> None:
    {{ n }} = await added(client)
    path, tag = {{ n }}.headers["Location"], {{ n }}.headers["ETag"]
    assert tag == '"1"'
    changed = await client.patch(path, json={{ r.new("**OTHER") }}, headers={"If-Match": tag})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (await client.get(path)).headers["ETag"] == '"2"'


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("tag", "status", "slug"), [(None, 428, "precondition-required"), ('"7"', 412, "precondition-failed")]
)
async def test_a_change_without_the_tag_is_rejected(
    client: AsyncClient, method: str, tag: str | None, status: int, slug: str
) -> None:
    {{ n }} = await added(client)
    json = OTHER if method == "PATCH" else None
    headers = {"If-Match": tag} if tag else {}
    response = await client.request(method, {{ n }}.headers["Location"], json=json, headers=headers)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}")
    assert (await client.get({{ n }}.headers["Location"])).json() == {{ n }}.json()


async def test_a_known_version_is_not_sent_again(client: AsyncClient) -> None:
    {{ n }} = await added(client)
    path = {{ n }}.headers["Location"]
    response = await client.get(path, headers={"If-None-Match": '"1"'})
    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", '"1"')


async def test_of_many_changes_at_once_one_happens(committing_client: AsyncClient) -> None:
    {{ n }} = await added(committing_client)
    path, headers = {{ n }}.headers["Location"], {"If-Match": {{ n }}.headers["ETag"]}
    changes = [{{ r.new("**OTHER", "committing_client") }} for _ in range(5)]
    responses = await asyncio.gather(
        *(committing_client.patch(path, json=each, headers=headers) for each in changes)
    )
    assert sorted(response.status_code for response in responses) == [200] + [412] * 4
    [won] = [response for response in responses if response.status_code == 200]
    assert (await committing_client.get(path)).json() == won.json()


async def test_a_repeated_request_has_its_effect_once(committing_client: AsyncClient) -> None:
    new, headers = {{ r.new(client="committing_client") }}, {"Idempotency-Key": str(uuid4())}
    first = await committing_client.post({{ r.constant }}, json=new, headers=headers)
    again = await committing_client.post({{ r.constant }}, json=new, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len((await committing_client.get({{ r.constant }})).json()["items"]) == 1
