"""The parts of FastAPI 0.165 that its documentation does not describe.

FastAPI includes routers lazily. Until the first request, an included route does not have the prefix, the dependencies
and the handler that serve it; `iter_route_contexts` builds them. A route by itself never has the dependencies that
`include_router(dependencies=…)` adds, although they run. Use this function wherever code judges routes.

FastAPI makes two dictionaries for each error of a value, and a client can send 90,000 errors in 1 MB.
`limit_errors` replaces the method that does it: `ModelField.validate`.

`tests/test_routing.py` and `tests/test_errors.py` fail if FastAPI changes this.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import ValidationError
from starlette.routing import BaseRoute

_MORE = "more_errors"  # The type of the last error of a value that has more than the limit.


def routes(routes: Sequence[BaseRoute]) -> Iterator[RouteContext]:
    """Yield the routes with the paths, methods and dependencies that serve requests."""
    return iter_route_contexts(routes)


def dependencies(route: RouteContext) -> set[Callable[..., Any] | None]:
    """Return all functions that run before the route's own, those of included routers and nested ones too."""
    return set(_calls(route.dependant))


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any] | None]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def limit_errors(most: int) -> None:
    """Have FastAPI describe the first `most` errors of each value, and the number of those that follow."""

    def validate(
        field: ModelField, value: Any, values: object = None, *, loc: tuple[int | str, ...] = ()
    ) -> tuple[Any, list[dict[str, Any]]]:
        del values
        try:
            return field._type_adapter.validate_python(value, from_attributes=True), []  # noqa: SLF001 - Described above.
        except ValidationError as error:
            described = error.errors(include_url=False) if error.error_count() <= most else _first(error, most)
            return None, [{**each, "loc": (*loc, *each["loc"])} for each in described]

    ModelField.validate = validate  # type: ignore[assignment, method-assign]  # FastAPI has no hook.


def _first(error: ValidationError, count: int) -> Iterator[dict[str, Any]]:
    # Pydantic describes all errors or none. As JSON it takes a tenth of the time that `errors()` takes.
    text = error.json(include_url=False, include_context=False, include_input=False)
    position = len("[")
    for _ in range(count):
        described, end = json.JSONDecoder().raw_decode(text, position)
        position = end + len(",")
        yield described
    yield {"type": _MORE, "loc": (), "msg": "More errors", "ctx": {"count": error.error_count() - count}}


def counted(errors: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Return the errors that are described, and how many there are in all."""
    described = [each for each in errors if each["type"] != _MORE]
    return described, len(described) + sum(each["ctx"]["count"] for each in errors if each["type"] == _MORE)
