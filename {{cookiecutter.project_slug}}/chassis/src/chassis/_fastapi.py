"""The parts of FastAPI 0.165 that its documentation does not describe.

FastAPI includes routers lazily. Until the first request, an included route does not have the prefix, the dependencies
and the handler that serve it; `iter_route_contexts` builds them. A route by itself never has the dependencies that
`include_router(dependencies=…)` adds, although they run. Use this function wherever code judges routes.

`tests/test_routing.py` fails if FastAPI changes this.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute


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
