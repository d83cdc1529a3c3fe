{%- set r = cookiecutter | resource -%}
{%- set n = r.name -%}
"""Requests as a client would send them, each different from the last{{ ", with what they refer to stored" if r.references }}."""

from datetime import date, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from httpx2 import AsyncClient
{% for module, names in r.factories %}
from {{ module }} import {{ names | join(", ") }}
{%- endfor %}

_numbers = count(1)

# What a test changes them to.
OTHER: dict[str, Any] = {{ "{" }}{% for field in r.constants %}"{{ field.name }}": {{ field.other }}{{ ", " if not loop.last }}{% endfor %}{{ "}" }}


{% if r.references -%}
async def new_{{ n }}(client: AsyncClient, **values: Any) -> dict[str, Any]:
{%- for field in r.references %}
    {{ field.stored }} = await client.post("{{ field.target.route }}", json={{ field.target.call }})
{%- endfor %}
    references = {{ "{" }}{% for field in r.references %}"{{ field.name }}": {{ field.stored }}.json()["id"]{{ ", " if not loop.last }}{% endfor %}{{ "}" }}
    return {{ r.body }} | references | values
{%- else -%}
def new_{{ n }}(**values: Any) -> dict[str, Any]:
    return {{ r.body }} | values
{%- endif %}
