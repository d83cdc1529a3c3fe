"""Errors in a format of the service's own, and the document that describes them."""

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from pydantic import BaseModel

from chassis import errors, logs
from chassis.logs import LogSettings
from tests.test_errors import MAX_BODY_SIZE, an_app


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
            await client.post("/cups", json={"size": 1, "handles": [1] * MAX_BODY_SIZE}),
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
