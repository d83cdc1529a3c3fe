"""Optimistic concurrency by entity tags (RFC 9110, 13): nobody overwrites a change that they have not seen.

The tag of a row is its version column in quotes, which SQLAlchemy counts up and compares (`version_id_col`):

    async def change(..., session: IdempotentSession, if_match: IfMatch):    428 without the header
        if_match.check(row.version)                                          412 if it is of another version

A GET that sets an ETag is answered with 304 where the client's `If-None-Match` has it already: `ConditionalRoute`, for
routes whose `responses` have `cacheable()`.

A change that comes between the check and the UPDATE makes SQLAlchemy's UPDATE miss. That is a `DatabaseConflict`: the
request runs again, and its check then fails.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, override

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema

from chassis.errors import ServiceError

_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
_LIST = re.compile(rf"(?:[\t ,]*{_TAG}[\t ]*(?:,|$))+[\t ,]*")


class PreconditionFailed(ServiceError):
    status = 412
    slug = "precondition-failed"
    title = "It has been changed since you read it"


class MalformedPrecondition(ServiceError):
    status = 400
    slug = "malformed-precondition"
    title = "A precondition is no list of entity tags"


def etag(version: int) -> str:
    return f'"{version}"'


_HEADERS = {"ETag": {"description": "The version, for If-Match", "required": True, "schema": {"type": "string"}}}


def tagged(status: int) -> dict[int | str, dict[str, Any]]:
    """Document the ETag of a route, beside the errors that `problems` documents."""
    return {status: {"headers": _HEADERS}}


def cacheable() -> dict[int | str, dict[str, Any]]:
    return tagged(200) | {304: {"description": "The client has it already", "headers": _HEADERS}}


_IF_NONE_MATCH = {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}


class Precondition:
    def __init__(self, value: str) -> None:
        self.tags = parsed(value)
        if not self.tags:
            raise MalformedPrecondition('If-Match takes * or tags in quotes, such as "1"')

    def check(self, version: int) -> None:
        # The strong comparison: a weak tag, `W/"1"`, is not among ours and matches nothing.
        if self.tags != ["*"] and etag(version) not in self.tags:
            raise PreconditionFailed(f"Its version is {etag(version)} now")


type Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ConditionalRoute(APIRoute):
    @override
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        if 304 not in self.responses:  # noqa: PLR2004 - As `cacheable` documents it.
            return handle
        self.openapi_extra = (self.openapi_extra or {}) | {"parameters": [_IF_NONE_MATCH]}

        async def unless_known(request: Request) -> Response:
            response = await handle(request)
            if "if-none-match" in request.headers and _known(request, response.headers.get("ETag")):
                return Response(status_code=304, headers={"ETag": response.headers["ETag"]})
            return response

        return unless_known


def _known(request: Request, tag: str | None) -> bool:
    # What cannot be read matches nothing: the answer is then a whole one.
    tags = parsed(_all(request, "If-None-Match"))
    # The weak comparison: a cache on the way may have made our tag a weak one.
    return tag is not None and (tags == ["*"] or tag in [each.removeprefix("W/") for each in tags])


def parsed(value: str) -> list[str]:
    """Return the tags of a list, or `*` alone, or nothing if it is neither."""
    if value.strip() == "*":
        return ["*"]
    return re.findall(_TAG, value) if _LIST.fullmatch(value) else []


def _all(request: Request, name: str) -> str:
    return ", ".join(request.headers.getlist(name))


_TAGS = WithJsonSchema({"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$', "examples": ['"1"']})


# The values are for the OpenAPI document, and a missing one for FastAPI to complain of: chassis/errors.py makes it 428.
async def _if_match(request: Request, _value: Annotated[str, Header(alias="If-Match"), _TAGS]) -> Precondition:
    return Precondition(_all(request, "If-Match"))


IfMatch = Annotated[Precondition, Depends(_if_match)]
