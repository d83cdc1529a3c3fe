"""Every error is a problem: the framework's, the features' and the unexpected."""

import json
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from httpx2 import ASGITransport, AsyncClient
from pydantic import BaseModel, ConfigDict

from chassis import _problem, errors, limits, logs
from chassis.logs import LogSettings

MAX_BODY_SIZE = 1024 * 1024  # The server's default.


class TeapotError(errors.ServiceError):
    status = 418
    slug = "teapot"
    title = "This is a teapot"


class Other(errors.ServiceError):
    status = 418
    slug = "other"
    title = "Another 418"


class Cup(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int
    handles: list[int] = []


def an_app(**shape: Any) -> FastAPI:
    app = FastAPI()
    errors.install(app, **shape)
    app.add_middleware(limits.BodySizeMiddleware, MAX_BODY_SIZE)
    app.add_middleware(logs.RequestLogMiddleware)

    @app.get("/tea", responses=errors.problems(TeapotError, Other, TeapotError))
    async def tea(order: str = "short and stout") -> None:
        raise TeapotError(order)

    @app.post("/cups")
    async def pour(cup: Cup) -> Cup:
        return cup

    @app.get("/cups")
    async def count(size: Annotated[list[int], Query()]) -> int:
        return len(size)

    @app.delete("/cups")
    async def smash() -> None:
        raise RuntimeError("the password is hunter2")

    return app


@pytest.fixture
def client() -> AsyncClient:
    logs.configure(LogSettings())
    transport = ASGITransport(an_app(), raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://test", headers={"X-Request-ID": "r-1"})


def check(response: Any, status: int, slug: str, **members: Any) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == "r-1"
    problem = response.json()
    title = problem.pop("title")
    assert title
    instance = response.request.url.raw_path.decode()
    expected = {"type": f"/problems/{slug}", "status": status, "instance": instance, "request_id": "r-1"}
    assert problem == expected | members


async def test_a_features_error(client: AsyncClient) -> None:
    check(await client.get("/tea"), 418, "teapot", detail="short and stout")


async def test_an_unknown_path(client: AsyncClient) -> None:
    check(await client.get("/no%20such%C3%BC"), 404, "not-found")


async def test_a_wrong_method_names_all_that_are_allowed(client: AsyncClient) -> None:
    response = await client.put("/cups")
    check(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "DELETE, GET, POST"


@pytest.mark.parametrize("content", [b"{", b"{'a': 1}", b'{"size": 1}}', b"\xef\xbb\xbf{}x"])
async def test_malformed_json(client: AsyncClient, content: bytes) -> None:
    response = await client.post("/cups", content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["title"]) in [(400, "Malformed JSON"), (400, "Bad Request")]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b'{"size": ' + b"9" * 5_000 + b"}"])
async def test_what_no_json_parser_takes(client: AsyncClient, content: bytes) -> None:
    response = await client.post("/cups", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "nonsense", ""])
async def test_another_media_type(client: AsyncClient, media_type: str) -> None:
    response = await client.post("/cups", content=b'{"size": 1}', headers={"Content-Type": media_type})
    check(response, 415, "unsupported-media-type", detail="Send application/json")


async def test_each_wrong_field_has_a_pointer(client: AsyncClient) -> None:
    response = await client.post("/cups", json={"size": "x", "handles": [1, "y"]})
    fields = {error["pointer"]: error["detail"] for error in response.json()["errors"]}
    assert response.status_code == 422
    assert set(fields) == {"/body/size", "/body/handles/1"}


def test_a_pointer_escapes_what_json_pointers_must() -> None:
    assert _problem._pointer(("body", "a/b", "c~d", 0)) == "/body/a~1b/c~0d/0"  # noqa: SLF001 - No route has such a field.


@pytest.mark.parametrize(
    ("size", "listed", "detail"),
    [(99, 100, None), (100, 100, "1 more error is not listed"), (89_999, 100, "89,900 more errors are not listed")],
)
async def test_the_first_errors_are_listed(client: AsyncClient, size: int, listed: int, detail: str | None) -> None:
    cup = {f"k{number}": 1 for number in range(size)}

    response = await client.post("/cups", json=cup)

    problem = response.json()
    assert (response.status_code, problem.get("detail")) == (422, detail)
    assert [error["pointer"] for error in problem["errors"]][:3] == ["/body/size", "/body/k0", "/body/k1"]
    assert problem["errors"][0]["detail"] == "Field required"
    assert len(problem["errors"]) == listed


async def test_errors_of_several_values_are_counted_together(client: AsyncClient) -> None:
    response = await client.get("/cups", params={"size": ["x"] * 1_500})

    assert response.json()["errors"][99]["pointer"] == "/query/size/99"
    assert response.json()["detail"] == "1,400 more errors are not listed"


async def test_fastapi_describes_no_more_errors_than_are_listed() -> None:
    app = an_app()
    described: list[int] = []

    @app.exception_handler(RequestValidationError)
    async def count(_: Request, error: RequestValidationError) -> Response:
        described.append(len(error.errors()))
        return Response(status_code=422)

    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        await client.post("/cups", json={f"k{number}": 1 for number in range(10_000)})
    assert described == [101]


HUGE = {
    "a long name": {"x" * 1_000_000: 1},
    "long names": {f"{number:05}" * 1_500: 1 for number in range(130)},
    "names with control characters": {"\x01" * 1_500 + str(number): 1 for number in range(110)},
    "names with escapes": {"~/" * 3_000 + str(number): 1 for number in range(160)},
    "many names": {f"k{number}": 1 for number in range(75_000)},
}


@pytest.mark.parametrize("huge", HUGE)
async def test_a_problem_is_small_whatever_was_sent(client: AsyncClient, huge: str) -> None:
    content = json.dumps(HUGE[huge]).encode()
    assert 900_000 < len(content) < MAX_BODY_SIZE

    response = await client.post("/cups", content=content, headers={"Content-Type": "application/json"})

    assert response.status_code == 422
    assert len(response.content) < 100_000
    assert len(response.json()["errors"]) >= min(len(HUGE[huge]), 10)


async def test_a_long_path_and_a_long_message_are_cut(client: AsyncClient) -> None:
    response = await client.get("/" + "%F0%9F%8D%B5" * 2_000)
    assert (response.status_code, len(response.content) < 15_000) == (404, True)
    response = await client.get("/tea", params={"order": "\x01" * 20_000})
    assert response.json()["detail"] == "\x01" * 999 + "…"


async def test_the_unexpected_says_nothing_of_the_inside(client: AsyncClient) -> None:
    response = await client.delete("/cups")
    check(response, 500, "internal-server-error")
    assert "hunter2" not in response.text


async def test_without_the_middleware_there_is_no_request_id() -> None:
    app = FastAPI()
    errors.install(app)

    @app.get("/")
    async def fail(request: Request) -> Response:
        raise RuntimeError(request.url)

    logs.request_id.set(None)
    transport = ASGITransport(app, raise_app_exceptions=False)
    response = await AsyncClient(transport=transport, base_url="http://test").get("/")
    assert "request_id" not in response.json()


async def test_the_document_has_the_problems(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert set(document["components"]["schemas"]) >= {"Problem", "FieldProblem"}
    [errors_schema, _] = document["components"]["schemas"]["Problem"]["properties"]["errors"]["anyOf"]
    assert errors_schema["maxItems"] == 100
    responses = document["paths"]["/tea"]["get"]["responses"]
    assert responses["418"]["description"] == "This is a teapot; Another 418"
    for status in ("418", "422", "default"):
        assert list(responses[status]["content"]) == ["application/problem+json"]
