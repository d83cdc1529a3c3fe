"""Every error as an RFC 9457 problem, or in the service's own format.

ServiceError            the base of a feature's errors; a subclass has a status and a problem type
HTTPException           the framework's: unknown path, wrong method
RequestValidationError  400 for malformed JSON, 415 for another media type, 428 for a missing If-Match, else 422
Exception               500 without details; the server logs the traceback with the request id

A problem has at most 100 kB, whatever the client sends: it lists at most 100 errors, and cuts long texts.

To return errors in another format, pass a function. The OpenAPI document then has its model:

    def render(problem: Problem) -> LegacyError: ...

    errors.install(app, render=render, media_type="application/json")
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, get_type_hints
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.routing import Match
from starlette.websockets import WebSocketDisconnect

from chassis import _fastapi
from chassis._problem import MAX_ERRORS, FieldProblem, Problem, cut, listed
from chassis.logs import request_id

__all__ = ["MEDIA_TYPE", "FieldProblem", "Problem", "ServiceError", "install", "problem_response", "problems"]

MEDIA_TYPE = "application/problem+json"


class ServiceError(Exception):
    """An error for the client. A subclass has the status and the type; the message becomes the problem's `detail`."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-server-error"
    title: ClassVar[str] = "Internal Server Error"
    headers: ClassVar[Mapping[str, str]] = {}


def problem_response(  # noqa: PLR0913 - Each is a member of the problem.
    *,
    status: int,
    slug: str,
    title: str,
    request: HTTPConnection,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[FieldProblem] | None = None,
) -> Response:
    problem = Problem(
        type=f"/problems/{slug}",
        title=title,
        status=status,
        detail=detail and cut(detail),
        instance=quote(cut(request.scope["path"])),
        request_id=request_id.get(),
        errors=list(errors) if errors else None,
    )
    shape = _shape(request)
    content = shape.render(problem).model_dump_json(exclude_none=True)
    return Response(content, status_code=status, headers=headers, media_type=shape.media_type)


def problems(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """Document these errors of a route: `responses=problems(OrderNotFound, OrderExists)`."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = responses.setdefault(error.status, _documented(error.title))
        if error.title not in entry["description"]:
            entry["description"] += f"; {error.title}"
    return responses


def _documented(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


@dataclass(frozen=True)
class _Shape:
    render: Callable[[Problem], BaseModel]
    model: type[BaseModel]
    media_type: str


def _unchanged(problem: Problem) -> Problem:
    return problem


_RFC_9457 = _Shape(_unchanged, Problem, MEDIA_TYPE)


def _shape(request: HTTPConnection) -> _Shape:
    app = request.scope.get("app")
    return getattr(app.state, "error_shape", _RFC_9457) if app else _RFC_9457


def install(app: FastAPI, *, render: Callable[[Problem], BaseModel] = _unchanged, media_type: str = MEDIA_TYPE) -> None:
    """Handle all errors of `app`, those of its middleware too, and document them.

    `render` turns a problem into the model that the client gets; its return type is documented. The server itself
    rejects a request whose head is too large, late or malformed, always with a problem.
    """
    model = get_type_hints(render).get("return")
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError("annotate the pydantic model that `render` returns: def render(problem: Problem) -> MyError")
    app.state.error_shape = _Shape(render, model, media_type)
    app.exception_handler(ServiceError)(_service_error)
    app.exception_handler(HTTPException)(_http_exception)
    app.exception_handler(RequestValidationError)(_validation_error)
    app.exception_handler(ClientDisconnect)(_client_disconnected)
    app.exception_handler(WebSocketDisconnect)(_client_disconnected)
    app.exception_handler(Exception)(_unexpected)
    _fastapi.limit_errors(MAX_ERRORS)
    app.router.responses = {422: _documented("Invalid request"), "default": _documented("Any other error")}
    _document(app, app.state.error_shape)


def _document(app: FastAPI, shape: _Shape) -> None:
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        schema = shape.model.model_json_schema(ref_template="#/components/schemas/{model}")
        definitions = {**schema.pop("$defs", {}), shape.model.__name__: schema}
        document.setdefault("components", {}).setdefault("schemas", {}).update(definitions)
        if shape.model is not Problem or shape.media_type != MEDIA_TYPE:
            for operation in (each for path in document["paths"].values() for each in path.values()):
                _reshape(operation, shape)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document.


def _reshape(operation: dict[str, Any], shape: _Shape) -> None:
    """Change the documented errors: `problems` has documented them before `install` had its format."""
    for response in operation.get("responses", {}).values():
        if response.get("content", {}).pop(MEDIA_TYPE, None):
            schema = {"$ref": f"#/components/schemas/{shape.model.__name__}"}
            response["content"][shape.media_type] = {"schema": schema}


async def _service_error(request: Request, error: ServiceError) -> Response:
    return problem_response(
        status=error.status,
        slug=error.slug,
        title=error.title,
        detail=str(error) or None,
        request=request,
        headers=error.headers,
    )


async def _http_exception(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    phrase = HTTPStatus(error.status_code).phrase
    if error.status_code == HTTPStatus.NOT_MODIFIED:
        return Response(status_code=error.status_code, headers=headers)
    return problem_response(
        status=error.status_code,
        slug=phrase.lower().replace(" ", "-"),
        title=phrase,
        detail=error.detail if error.detail != phrase else None,
        request=request,
        headers=headers,
    )


def _allowed_methods(request: Request) -> set[str]:
    """Return the methods of all routes with this path; Starlette returns those of the first."""
    methods: set[str] = set()
    for route in _fastapi.routes(request.app.routes):
        match, _ = route.matches(request.scope)
        if match != Match.NONE:
            methods |= route.methods or set()
    return methods


async def _validation_error(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        detail = f"{first['ctx']['error']} at character {first['loc'][-1]}"
        return problem_response(
            status=400, slug="malformed-json", title="Malformed JSON", detail=detail, request=request
        )
    if isinstance(error.body, bytes):  # FastAPI does not parse a body of another media type.
        unsupported = HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send application/json")
        return await _http_exception(request, unsupported)
    if any(each["loc"] == ("header", "If-Match") for each in error.errors()):
        missing = HTTPException(HTTPStatus.PRECONDITION_REQUIRED, "Send the last ETag as If-Match")
        return await _http_exception(request, missing)
    fields, more = listed(error.errors())
    unlisted = f"{more:,} more {'error is' if more == 1 else 'errors are'} not listed" if more else None
    return problem_response(
        status=422, slug="invalid-request", title="Invalid request", detail=unlisted, request=request, errors=fields
    )


async def _client_disconnected(_connection: HTTPConnection, error: Exception) -> Response | None:
    # Nobody receives a response. Without this handler the log has a traceback.
    return Response(status_code=HTTPStatus.BAD_REQUEST) if isinstance(error, ClientDisconnect) else None


async def _unexpected(request: Request, error: Exception) -> Response:
    del error  # Starlette raises it again, and the server logs it.
    headers = {"X-Request-ID": current} if (current := request_id.get()) else None
    title = ServiceError.title
    return problem_response(status=500, slug=ServiceError.slug, title=title, request=request, headers=headers)
