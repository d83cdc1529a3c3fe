{%- set u = cookiecutter | upstream -%}
"""Calls to the {{ u.words }} API."""

from typing import Annotated
from uuid import UUID

from chassis.upstreams import Upstream
from fastapi import Depends, Request

from app.{{ u.name }}.errors import {{ u.one_type }}Unavailable
from app.{{ u.name }}.schemas import {{ u.one_type }}


def _upstream(request: Request) -> Upstream:
    upstream: Upstream = request.state.{{ u.name }}
    return upstream


{{ u.type }} = Annotated[Upstream, Depends(_upstream)]


async def fetch_{{ u.one }}(upstream: Upstream, {{ u.one }}_id: UUID) -> {{ u.one_type }}:
    unavailable = {{ u.one_type }}Unavailable(f"There is no {{ u.one_words }} { {{- u.one }}_id}")
    # A UUID is safe in a path. Other text could lead to another path: send it in `params`.
    path = f"{{ u.slug }}/{ {{- u.one }}_id}"
    return await upstream.call("GET", path, {{ u.one_type }}, on_status={404: unavailable})
