{%- set r = cookiecutter | resource -%}
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from chassis.pages import Cursor, Limit
from chassis.values import INT32, INT64, Day, Digits, Instant, Int32, Int64, Text
from pydantic import MISSING, BaseModel, ConfigDict, Field, JsonValue, StrictBool

{% if r.enums -%}
from app.{{ r.plural }}.models import {{ r.enum_types }}
{% endif -%}
{% for field in r.aliased %}
{{ field.alias }} = {{ field.annotated }}
{%- endfor %}


class {{ r.type }}Create(BaseModel):
    model_config = ConfigDict(extra="forbid")
{% for field in r.fields %}
    {{ field.created }}
{%- endfor %}


class {{ r.type }}Update(BaseModel):
    """What it leaves out stays as it is."""

    model_config = ConfigDict(extra="forbid")
{% for field in r.fields %}
    {{ field.updated }}
{%- endfor %}


class {{ r.type }}Query(BaseModel):
{%- for field in r.filters %}
    {{ field.queried }}
{%- endfor %}
    cursor: Cursor | None = None
    limit: Limit = 20


class {{ r.type }}Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
{%- for field in r.fields %}
    {{ field.read }}
{%- endfor %}
    created_at: datetime
    updated_at: datetime


class {{ r.type }}Row({{ r.type }}Read):
    """{{ r.one | capitalize }} as the database has it; the version goes out as the ETag."""

    version: int
