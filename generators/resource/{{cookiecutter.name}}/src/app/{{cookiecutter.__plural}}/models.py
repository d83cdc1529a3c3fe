{%- set r = cookiecutter | resource -%}
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.database import Base
from sqlalchemy import BigInteger, DateTime, Enum, ForeignKey, Index, Numeric, String, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
{% for field in r.enums %}

class {{ field.alias }}(StrEnum):
{%- for value in field.values %}
    {{ value | upper }} = "{{ value }}"
{%- endfor %}
{% endfor %}

class {{ r.type }}(Base):
    __tablename__ = "{{ r.plural }}"
{%- if r.indexes %}
    # Each serves a page of one value; the primary key serves a page of all.
    __table_args__ = ({% for field in r.indexes %}Index(None, "{{ field.name }}", "id"),{% endfor %})
{%- endif %}
    # A UUIDv7 begins with the time, so the ids sort by age. PostgreSQL's clock makes them, as it makes `created_at`,
    # because the clocks of workers differ. Before PostgreSQL 18, use `default=uuid7` of the package uuid-utils.
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
{%- for field in r.fields %}
    {{ field.column }}
{%- endfor %}
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
    version: Mapped[int] = mapped_column(default=1)

    # An UPDATE or DELETE matches only the version that was read. An UPDATE returns the new `updated_at`.
    __mapper_args__ = {"version_id_col": version, "eager_defaults": True}  # noqa: RUF012
