"""Optimistic concurrency with entity tags (RFC 9110, 13): a client cannot overwrite a change that it has not seen.

The tag of a row is its version column in quotes. SQLAlchemy increments and compares that column (`version_id_col`):

    async def change(..., session: IdempotentSession, if_match: IfMatch):    428 without the header
        if_match.check(row.version)                                          412 if the tag is of another version

A GET whose response has an ETag returns 304 if the client's `If-None-Match` has that tag. Its router takes
`route_class=Route` of chassis.routing, and `responses=etag_header()` documents it.

If another change commits between the check and the UPDATE, SQLAlchemy's UPDATE matches no row. That raises a
`DatabaseConflict`: the request runs again, and its check then returns 412.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from pydantic import WithJsonSchema

from chassis.errors import ServiceError

_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
_LIST = re.compile(rf"(?:[\t ,]*{_TAG}[\t ]*(?:,|$))+[\t ,]*")


class PreconditionFailed(ServiceError):
    status = 412
    slug = "precondition-failed"
    title = "It has changed since you read it"


class MalformedPrecondition(ServiceError):
    status = 400
    slug = "malformed-precondition"
    title = "The precondition is not a valid list of entity tags"


def etag(version: int) -> str:
    return f'"{version}"'


_HEADERS = {"ETag": {"description": "The version, for If-Match", "required": True, "schema": {"type": "string"}}}
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The client has this version", "headers": _HEADERS}
}
IF_NONE_MATCH = {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}


def etag_header(status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Document the ETag of a response, beside the errors that `problems` documents."""
    return {status: {"headers": _HEADERS}}


def has_etag(responses: Mapping[int | str, Mapping[str, Any]]) -> bool:
    """Whether the documented 200 has an ETag."""
    return "ETag" in responses.get(200, {}).get("headers", {})


class Precondition:
    def __init__(self, value: str) -> None:
        self.tags = parsed(value)
        if not self.tags:
            raise MalformedPrecondition('Send the ETag with its quotes, such as If-Match: "1", or If-Match: *')

    def check(self, version: int) -> None:
        # The strong comparison: a weak tag, `W/"1"`, never matches.
        if self.tags != ["*"] and etag(version) not in self.tags:
            raise PreconditionFailed(f"Its version is {etag(version)} now")


async def unless_known(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Return the response, or 304 if the client has it."""
    response = await handle(request)
    if "if-none-match" in request.headers and _known(request, response.headers.get("ETag")):
        return Response(status_code=304, headers={"ETag": response.headers["ETag"]})
    return response


def _known(request: Request, tag: str | None) -> bool:
    # A malformed header matches nothing, so the client gets the whole response.
    tags = parsed(_all(request, "If-None-Match"))
    # The weak comparison: a cache on the way may have weakened the tag.
    return tag is not None and (tags == ["*"] or tag in [each.removeprefix("W/") for each in tags])


def parsed(value: str) -> list[str]:
    """Return the tags of the list, `["*"]` for `*`, or `[]` if the value is malformed."""
    if value.strip() == "*":
        return ["*"]
    return re.findall(_TAG, value) if _LIST.fullmatch(value) else []


def _all(request: Request, name: str) -> str:
    return ", ".join(request.headers.getlist(name))


_TAGS = WithJsonSchema({"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$', "examples": ['"1"']})


# `_value` documents the header and has FastAPI report a missing one, which chassis.errors turns into 428.
async def _if_match(request: Request, _value: Annotated[str, Header(alias="If-Match"), _TAGS]) -> Precondition:
    return Precondition(_all(request, "If-Match"))


IfMatch = Annotated[Precondition, Depends(_if_match)]
