"""The conditional headers as RFC 9110 has them, by themselves."""

from time import thread_time

import pytest
from fastapi import APIRouter, FastAPI, Response
from httpx2 import AsyncClient

from chassis.preconditions import (
    IfMatch,
    MalformedPrecondition,
    Precondition,
    PreconditionFailed,
    etag,
    etag_header,
    parsed,
)
from chassis.routing import Route
from chassis.testing import ClientFactory
from example.main import State


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("*", ["*"]),
        ('"1"', ['"1"']),
        ('""', ['""']),
        ('"a,b", "c"', ['"a,b"', '"c"']),
        ('W/"1",\t"2"', ['W/"1"', '"2"']),
        (', "1" , , "2",', ['"1"', '"2"']),
        ('"é"', ['"é"']),
    ],
)
def test_lists_of_tags_are_read(value: str, expected: list[str]) -> None:
    assert parsed(value) == expected


@pytest.mark.parametrize("value", ["1", '"1', '"1" "2"', '"1""2"', 'w/"1"', '"1", *', '"a b"', "", ",", '"1", x'])
def test_a_malformed_list_of_tags_is_rejected(value: str) -> None:
    with pytest.raises(MalformedPrecondition):
        Precondition(value)


def test_a_long_header_costs_no_long_time() -> None:
    start = thread_time()
    for value in (" " * 30_000 + "x", '"1",' * 8_000 + "x", ", " * 15_000, '"1"' + "\t" * 30_000 + "x"):
        assert parsed(value) == []
    assert thread_time() - start < 1


@pytest.mark.parametrize("value", ['"7"', "*", '"6", "7"'])
def test_a_change_needs_the_very_tag(value: str) -> None:
    Precondition(value).check(7)


@pytest.mark.parametrize("value", ['"6"', 'W/"7"', '"", "77"'])
def test_another_tag_fails(value: str) -> None:
    with pytest.raises(PreconditionFailed, match='"7"'):
        Precondition(value).check(7)


@pytest.fixture
def cup(app: FastAPI) -> FastAPI:
    router = APIRouter(route_class=Route)

    @router.get("/cup", responses=etag_header())
    async def look(response: Response) -> str:
        response.headers["ETag"] = etag(7)
        return "a cup"

    @router.get("/untagged", responses=etag_header())
    async def untagged() -> str:
        return "no tag"

    @router.put("/cup", responses=etag_header())
    async def replace(response: Response, if_match: IfMatch) -> str:
        if_match.check(7)
        response.headers["ETag"] = etag(8)
        return "another cup"

    app.include_router(router)
    return app


async def test_the_headers_mean_what_they_say(cup: FastAPI, client_for: ClientFactory, state: State) -> None:
    del cup
    async with client_for(state) as client:
        assert (await client.get("/cup")).headers["ETag"] == '"7"'
        cached = await client.get("/cup", headers=[("If-None-Match", '"6"'), ("If-None-Match", '"7"')])
        assert (cached.status_code, cached.content, cached.headers["ETag"]) == (304, b"", '"7"')
        assert await put(client) == (428, "/problems/precondition-required")
        assert await put(client, "7") == (400, "/problems/malformed-precondition")
        assert await put(client, '"6"') == (412, "/problems/precondition-failed")
        assert (await client.put("/cup", headers={"If-Match": '"7"'})).headers["ETag"] == '"8"'


# A cache may have weakened the tag; what cannot be read matches nothing.
@pytest.mark.parametrize(
    ("value", "status"),
    [
        *((value, 304) for value in ('"7"', "*", 'W/"7"', 'W/"6", W/"7"')),
        *((value, 200) for value in ('"6"', 'W/"77"', "7", '"7', "")),
    ],
)
async def test_what_the_client_has_is_not_sent_again(
    cup: FastAPI, client_for: ClientFactory, state: State, value: str, status: int
) -> None:
    del cup
    async with client_for(state) as client:
        assert (await client.get("/cup", headers={"If-None-Match": value})).status_code == status
        assert (await client.get("/untagged", headers={"If-None-Match": value})).status_code == 200


async def put(client: AsyncClient, tag: str | None = None) -> tuple[int, str]:
    response = await client.put("/cup", headers={"If-Match": tag} if tag else {})
    return response.status_code, response.json()["type"]


def test_the_document_tells_of_the_headers(cup: FastAPI) -> None:
    path = cup.openapi()["paths"]["/cup"]
    assert path["put"]["parameters"][0] | {"schema": ""} == {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "schema": "",
    }
    assert not path["get"]["parameters"][0]["required"]
    assert path["get"]["responses"]["304"]["headers"].keys() == {"ETag"}
    assert path["put"]["responses"]["200"]["headers"].keys() == {"ETag"}
