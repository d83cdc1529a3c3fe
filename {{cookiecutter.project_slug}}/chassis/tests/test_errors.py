"""Every error is a problem: the framework's, the features' and the unexpected."""

from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from httpx2 import ASGITransport, AsyncClient
from pydantic import BaseModel

from chassis import errors, limits, logs
from chassis.logs import LogSettings


class TeapotError(errors.ServiceError):
    status = 418
    slug = "teapot"
    title = "This is a teapot"


class Other(errors.ServiceError):
    status = 418
    slug = "other"
    title = "Another 418"


class Cup(BaseModel):
    size: int
    handles: list[int] = []


def an_app(**shape: Any) -> FastAPI:
    app = FastAPI()
    errors.install(app, **shape)
    app.add_middleware(limits.BodySizeMiddleware, 200_000)
    app.add_middleware(logs.RequestLogMiddleware)

    @app.get("/tea", responses=errors.problems(TeapotError, Other, TeapotError))
    async def tea() -> None:
        raise TeapotError("short and stout")

    @app.post("/cups")
    async def pour(cup: Cup) -> Cup:
        return cup

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
    assert response.headers["Allow"] == "DELETE, POST"


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
    assert errors._pointer(("body", "a/b", "c~d", 0)) == "/body/a~1b/c~0d/0"  # noqa: SLF001 - No route has such a field.


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
    responses = document["paths"]["/tea"]["get"]["responses"]
    assert responses["418"]["description"] == "This is a teapot; Another 418"
    for status in ("418", "422", "default"):
        assert list(responses[status]["content"]) == ["application/problem+json"]


class Legacy(BaseModel):
    code: int
    fields: list[str]


def legacy(problem: errors.Problem) -> Legacy:
    return Legacy(code=problem.status, fields=[each.pointer for each in problem.errors or ()])


LEGACY = {"render": legacy, "media_type": "application/json"}


async def test_errors_may_have_another_shape_those_of_the_middleware_too() -> None:
    logs.configure(LogSettings())
    transport = ASGITransport(an_app(**LEGACY), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        responses = [
            await client.get("/tea"),
            await client.get("/nowhere"),
            await client.post("/cups", json={"size": "x"}),
            await client.post("/cups", json={"size": 1, "handles": [1] * 100_000}),
            await client.delete("/cups"),
        ]
    assert [response.json() for response in responses] == [
        {"code": 418, "fields": []},
        {"code": 404, "fields": []},
        {"code": 422, "fields": ["/body/size"]},
        {"code": 413, "fields": []},
        {"code": 500, "fields": []},
    ]
    assert [response.status_code for response in responses] == [response.json()["code"] for response in responses]
    assert {response.headers["Content-Type"] for response in responses} == {"application/json"}


def test_the_document_has_the_shape_that_is_sent() -> None:
    document = an_app(**LEGACY).openapi()
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Legacy"}}}
    responses = [
        response["content"]
        for path in document["paths"].values()
        for operation in path.values()
        for status, response in operation["responses"].items()
        if not status.startswith("2")
    ]
    assert responses
    assert all(each == content for each in responses)
    assert {"Legacy", "Cup"} <= document["components"]["schemas"].keys()
    assert "Problem" not in document["components"]["schemas"]


def test_a_format_without_a_model_is_rejected_at_the_start() -> None:
    def careless(problem):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - As somebody may write it.
        return problem

    with pytest.raises(TypeError, match="annotate the pydantic model"):
        errors.install(FastAPI(), render=careless)
