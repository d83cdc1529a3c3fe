"""The problem document, which stays small whatever the client has sent: at most 100 kB.

A client chooses the path, and the names in the pointers of its errors. Each can be as long as its request.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from chassis import _fastapi

MAX_ERRORS = 100
MAX_ERRORS_SIZE = 75_000  # Bytes as JSON. The other members have at most 20,000.
MAX_TEXT = 1_000  # Characters. As JSON, one can take 6 bytes.


class FieldProblem(BaseModel):
    pointer: str = Field(examples=["/body/amount"])
    """A JSON Pointer into the request: its `body`, `query`, `path` or `header`. One that ends in "…" is cut."""
    detail: str


class Problem(BaseModel):
    type: str = Field(examples=["/problems/not-found"])
    title: str
    status: int
    detail: str | None = None
    instance: str
    request_id: str | None = None
    errors: Annotated[list[FieldProblem], Field(max_length=MAX_ERRORS)] | None = None


def listed(errors: Sequence[dict[str, Any]]) -> tuple[list[FieldProblem], int]:
    """Return the first errors, as far as the limits allow, and how many more there are."""
    described, count = _fastapi.counted(errors)
    fields: list[FieldProblem] = []
    size = 0
    for each in described[:MAX_ERRORS]:
        field = FieldProblem(pointer=_pointer(each["loc"]), detail=cut(each["msg"].removeprefix("Value error, ")))
        size += len(field.model_dump_json().encode())
        if size > MAX_ERRORS_SIZE:
            break
        fields.append(field)
    return fields, count - len(fields)


def _pointer(location: Sequence[int | str]) -> str:
    # Cut each name first: the client can choose names as long as its body.
    return cut("".join("/" + cut(str(part)).replace("~", "~0").replace("/", "~1") for part in location))


def cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
