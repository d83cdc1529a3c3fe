{%- set r = cookiecutter | resource -%}
{%- set n = r.name -%}
"""The rules of {{ r.many }}.

No function commits: the dependencies do, before the response is sent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from chassis.database import Executor, Statement, Transaction, violations
from chassis.preconditions import Precondition
from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.{{ r.plural }}.errors import {{ r.errors | join(", ") }}
from app.{{ r.plural }}.models import {{ r.type }}
from app.{{ r.plural }}.schemas import {{ r.type }}Create, {{ r.type }}Query, {{ r.type }}Row, {{ r.type }}Update

_BY_ID = Statement({{ r.type }}Row, select({{ r.type }}).where({{ r.type }}.id == bindparam("id")))
_NEWEST = Statement(
    {{ r.type }}Row,
    select({{ r.type }}).order_by({{ r.type }}.id.desc()).limit(bindparam("limit")),
{%- for field in r.filters %}
    {{ field.name }}={{ r.type }}.{{ field.name }} == bindparam("{{ field.name }}"),
{%- endfor %}
    before={{ r.type }}.id < bindparam("before"),
)
_ADD = Statement(
    {{ r.type }}Row,
    insert({{ r.type }})
    .values({% for field in r.fields %}{{ field.name }}=bindparam("{{ field.name }}"){{ ", " if not loop.last }}{% endfor %})
    .returning({{ r.type }}),
)


async def add(transaction: Transaction, new: {{ r.type }}Create) -> {{ r.type }}Row:
{%- if r.constraints %}
    with _constraints():
        return await _ADD.one(transaction, **new.model_dump())
{%- else %}
    return await _ADD.one(transaction, **new.model_dump())
{%- endif %}


async def get(executor: Executor, {{ n }}_id: UUID) -> {{ r.type }}Row:
    {{ n }} = await _BY_ID.one_or_none(executor, id={{ n }}_id)
    if {{ n }} is None:
        raise _not_found({{ n }}_id)
    return {{ n }}


async def newest(executor: Executor, query: {{ r.type }}Query) -> list[{{ r.type }}Row]:
    """Return the rows of a page, the newest first, and one more if there is a next page."""
    filters = query.model_dump(exclude={"cursor", "limit"})
    return await _NEWEST.all(executor, **filters, before=query.cursor, limit=query.limit + 1)


async def change(
    session: AsyncSession, {{ n }}_id: UUID, changes: {{ r.type }}Update, if_match: Precondition
) -> {{ r.type }}Row:
    {{ n }} = await _loaded(session, {{ n }}_id)
    if_match.check({{ n }}.version)
    for name, value in changes.model_dump().items():
        setattr({{ n }}, name, value)
{%- if r.constraints %}
    with _constraints():
        await session.flush()
{%- else %}
    await session.flush()
{%- endif %}
    return {{ r.type }}Row.model_validate({{ n }})


async def delete(session: AsyncSession, {{ n }}_id: UUID, if_match: Precondition) -> None:
    {{ n }} = await _loaded(session, {{ n }}_id)
    if_match.check({{ n }}.version)
    await session.delete({{ n }})


async def _loaded(session: AsyncSession, {{ n }}_id: UUID) -> {{ r.type }}:
    {{ n }} = await session.get({{ r.type }}, {{ n }}_id)
    if {{ n }} is None:
        raise _not_found({{ n }}_id)
    return {{ n }}


def _not_found({{ n }}_id: UUID) -> {{ r.type }}NotFound:
    return {{ r.type }}NotFound(f"No {{ r.words }} has the id { {{- n }}_id}")
{% if r.constraints %}

@contextmanager
def _constraints() -> Iterator[None]:
    with violations(
{%- for field in r.uniques %}
        {{ field.unique_constraint }}={{ r.type }}Exists("The {{ field.name }} is taken"),
{%- endfor %}
{%- for field in r.references %}
        {{ field.foreign_key }}={{ r.type }}RefersToNothing("No {{ field.target.words }} has this {{ field.name }}"),
{%- endfor %}
    ):
        yield
{% endif %}
