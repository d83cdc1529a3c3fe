{%- set r = cookiecutter | resource -%}
{%- set n = r.name -%}
from typing import Annotated
from uuid import UUID

from chassis.database import Pool, ReplicaPool
from chassis.errors import problems
from chassis.idempotency import IdempotentSession, IdempotentTransaction
from chassis.pages import Page, page
from chassis.preconditions import IfMatch, PreconditionFailed, etag, etag_header
from chassis.routing import Route
from fastapi import APIRouter, Query, Response

from app.{{ r.plural }} import service
from app.{{ r.plural }}.errors import {{ r.errors | join(", ") }}
from app.{{ r.plural }}.schemas import {{ r.type }}Create, {{ r.type }}Query, {{ r.type }}Read, {{ r.type }}Row, {{ r.type }}Update

router = APIRouter(prefix="{{ r.route }}", tags=["{{ r.many }}"], route_class=Route)


@router.post("", status_code=201, responses={{ "problems(" ~ r.constraint_errors | join(", ") ~ ") | " if r.constraint_errors }}etag_header(201))
async def add_{{ n }}(new: {{ r.type }}Create, transaction: IdempotentTransaction, response: Response) -> {{ r.type }}Read:
    {{ n }} = await service.add(transaction, new)
    response.headers["Location"] = f"{router.prefix}/{ {{- n }}.id}"
    return with_etag({{ n }}, response)


@router.get("")
async def list_{{ r.plural }}(replica: ReplicaPool, query: Annotated[{{ r.type }}Query, Query()]) -> Page[{{ r.type }}Read]:
    """List the newest {{ r.many }} first."""
    rows = await service.newest(replica, query)
    return page(Page[{{ r.type }}Read], rows, query.limit)


@router.get("/{ {{- n }}_id}", responses=problems({{ r.type }}NotFound) | etag_header())
async def get_{{ n }}({{ n }}_id: UUID, pool: Pool, response: Response) -> {{ r.type }}Read:
    {{ n }} = await service.get(pool, {{ n }}_id)
    return with_etag({{ n }}, response)


@router.patch("/{ {{- n }}_id}", responses=problems({{ r.errors | join(", ") }}, PreconditionFailed) | etag_header())
async def change_{{ n }}(
    {{ n }}_id: UUID, changes: {{ r.type }}Update, if_match: IfMatch, session: IdempotentSession, response: Response
) -> {{ r.type }}Read:
    {{ n }} = await service.change(session, {{ n }}_id, changes, if_match)
    return with_etag({{ n }}, response)


@router.delete("/{ {{- n }}_id}", status_code=204, responses=problems({{ r.type }}NotFound, PreconditionFailed))
async def delete_{{ n }}({{ n }}_id: UUID, if_match: IfMatch, session: IdempotentSession) -> None:
    await service.delete(session, {{ n }}_id, if_match)


def with_etag({{ n }}: {{ r.type }}Row, response: Response) -> {{ r.type }}Read:
    response.headers["ETag"] = etag({{ n }}.version)
    return {{ n }}
