"""Keyset pagination: `?limit=` and an opaque `?cursor=` return `{"items", "next_cursor"}`.

Every page costs the same, and rows that arrive meanwhile do not shift it. To page in another way, return a model of
your own from the route; nothing else depends on `Page`.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

# 22 characters have four bits more than a UUID; these four are 0.
_CURSOR = "[A-Za-z0-9_-]{21}[AQgw]"


class Page[Item: BaseModel](BaseModel):
    items: list[Item]
    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last page")


def page[Item: BaseModel](kind: type[Page[Item]], rows: Sequence[Item], limit: int) -> Page[Item]:
    """Make a page from up to `limit + 1` rows with an `id`. The extra row shows that there is a next page."""
    last: Any = rows[limit - 1] if len(rows) > limit else None
    return kind(items=list(rows[:limit]), next_cursor=last and encode_cursor(last.id))


def encode_cursor(last: UUID) -> str:
    return urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _decode_cursor(cursor: object) -> UUID:
    if not isinstance(cursor, str) or not re.fullmatch(_CURSOR, cursor):
        raise ValueError("must be the `next_cursor` of a page")
    return UUID(bytes=urlsafe_b64decode(cursor + "=="))


Limit = Annotated[int, Field(ge=1, le=100, description="The most items in a page")]
Cursor = Annotated[
    UUID,
    BeforeValidator(_decode_cursor),
    Field(description="The `next_cursor` of the previous page"),
    WithJsonSchema({"type": "string", "pattern": f"^{_CURSOR}$"}),
]
