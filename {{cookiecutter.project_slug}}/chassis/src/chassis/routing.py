"""The route class of features, and a check of all routes at the start.

    router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=Route)

A `Route` adds to FastAPI's own class:

- GET: a response with an `ETag` becomes 304 if the request's `If-None-Match` has that tag (chassis.preconditions).
  `responses=etag_header()` documents both headers and the 304.
- Other methods: `IdempotentSession` and `IdempotentTransaction` (chassis.idempotency) work. The transaction commits
  after the route has returned and before the response is sent. A request that loses against another transaction runs
  again.

`check(app)`, at the end of `create_app`, raises a TypeError for a route that takes what its class does not give.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, override

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute, RouteContext

from chassis import _fastapi, idempotency
from chassis.idempotency import Handler
from chassis.preconditions import IF_NONE_MATCH, NOT_MODIFIED, has_etag, unless_known

READING = {"GET", "HEAD"}


class Route(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        responses = options.get("responses") or {}
        if _only_reads(options.get("methods")) and has_etag(responses):
            options["responses"] = responses | NOT_MODIFIED
            extra = options.get("openapi_extra") or {}
            parameters = [*extra.get("parameters", ()), IF_NONE_MATCH]
            options["openapi_extra"] = extra | {"parameters": parameters}
        super().__init__(path, endpoint, **options)

    @override
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        run = unless_known if _only_reads(self.methods) else idempotency.run

        async def handle_request(request: Request) -> Response:
            return await run(request, handle)

        return handle_request


def _only_reads(methods: Iterable[str] | None) -> bool:
    return READING.issuperset(methods or ())  # Without methods FastAPI makes a GET.


def check(app: FastAPI) -> None:
    """Raise a TypeError with a line for each route of `app` that takes what its class does not give."""
    problems = [
        f"{' '.join(sorted(route.methods or ()))} {route.path}: {problem}"
        for route in _fastapi.routes(app.routes)
        if isinstance(route.original_route, APIRoute)
        for problem in _problems(route)
    ]
    if problems:
        raise TypeError("\n".join(problems))


def _problems(route: RouteContext) -> Iterator[str]:
    taken = [name for name, call in idempotency.DEPENDENCIES.items() if call in _fastapi.dependencies(route)]
    methods = route.methods or set()
    if len(taken) > 1:
        yield f"takes {' and '.join(taken)}; each is a transaction of its own, so take one"
    if taken and methods & READING:
        yield f"takes {taken[0]}, but only changes are repeated; take Pool, ReadSession or Session"
    if isinstance(route.original_route, Route):
        return
    for name in taken:
        yield f"takes {name}; make its router with APIRouter(route_class=Route) of chassis.routing"
    if methods & READING and has_etag(route.responses):
        yield "documents an ETag; make its router with APIRouter(route_class=Route) of chassis.routing"
