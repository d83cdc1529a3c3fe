"""The route class, and the mistakes that `check` finds when an application starts."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, Header, HTTPException, Response
from httpx2 import ASGITransport, AsyncClient

from chassis import _fastapi
from chassis.database import DatabaseConflict, Session
from chassis.database._pools import Database
from chassis.idempotency import ATTEMPTS, IdempotentSession, IdempotentTransaction
from chassis.preconditions import etag_header
from chassis.routing import Route, check
from chassis.testing import ClientFactory, with_state
from example.main import State
from tests.effects import counted, run

KEY = {"Idempotency-Key": "0199d0a5-7a4c-7d3a-9d8e-111111111111"}


async def with_transaction(session: IdempotentSession) -> None:
    await run(session, "INSERT INTO effects VALUES ($1, $2)", "guard", None)


async def only_ann(user: Annotated[str, Header()] = "nobody") -> None:
    if user != "ann":
        raise HTTPException(403)


def on_post(app: FastAPI, router: APIRouter) -> None:
    @router.post("/things")
    async def post(session: IdempotentSession) -> None: ...

    app.include_router(router, prefix="/v1")


def on_guard(app: FastAPI, router: APIRouter) -> None:
    @router.post("/things")
    async def post() -> None: ...

    app.include_router(router, prefix="/v1", dependencies=[Depends(with_transaction)])


def on_get(app: FastAPI, router: APIRouter) -> None:
    @router.get("/things")
    async def get(transaction: IdempotentTransaction) -> None: ...

    app.include_router(router, prefix="/v1")


def on_both(app: FastAPI, router: APIRouter) -> None:
    @router.post("/things")
    async def post(transaction: IdempotentTransaction) -> None: ...

    app.include_router(router, prefix="/v1", dependencies=[Depends(with_transaction)])


def on_etag(app: FastAPI, router: APIRouter) -> None:
    @router.get("/things", responses=etag_header())
    async def get() -> None: ...

    app.include_router(router, prefix="/v1")


ONE = "each is a transaction of its own, so take one"
READS = "but only changes are repeated; take Pool, ReadSession or Session"
CLASS = "make its router with APIRouter(route_class=Route) of chassis.routing"


@pytest.mark.parametrize(
    ("add", "options", "problem"),
    [
        (on_post, {}, f"POST /v1/things: takes IdempotentSession; {CLASS}"),
        (on_guard, {}, f"POST /v1/things: takes IdempotentSession; {CLASS}"),
        (on_etag, {}, f"GET /v1/things: documents an ETag; {CLASS}"),
        (
            on_get,
            {"route_class": Route},
            f"GET /v1/things: takes IdempotentTransaction, {READS}",
        ),
        (
            on_both,
            {"route_class": Route},
            f"POST /v1/things: takes IdempotentSession and IdempotentTransaction; {ONE}",
        ),
    ],
)
def test_a_mistake_ends_the_start(
    app: FastAPI, add: Callable[[FastAPI, APIRouter], None], options: dict[str, Any], problem: str
) -> None:
    add(app, APIRouter(**options))
    with pytest.raises(TypeError) as error:
        check(app)
    assert str(error.value) == problem


@pytest.mark.parametrize("add", [on_post, on_guard, on_etag])
def test_the_class_makes_it_right(app: FastAPI, add: Callable[[FastAPI, APIRouter], None]) -> None:
    add(app, APIRouter(route_class=Route))
    check(app)


def test_routes_have_the_guards_of_their_inclusion_before_the_first_request(app: FastAPI) -> None:
    router = APIRouter()

    @router.get("/guarded")
    async def guarded() -> None: ...

    app.include_router(router, prefix="/v1", dependencies=[Depends(only_ann)])
    [route] = [each for each in _fastapi.routes(app.routes) if each.path == "/v1/guarded"]
    assert only_ann in _fastapi.dependencies(route)
    assert all(only_ann not in _calls(each) for each in router.routes)


def _calls(route: Any) -> list[Any]:
    return [each.call for each in route.dependant.dependencies]


async def test_a_transaction_that_only_a_guard_takes_commits(
    app: FastAPI, effects: Database, client_for: ClientFactory, state: State
) -> None:
    on_guard(app, APIRouter(route_class=Route))
    async with client_for(state) as client:
        for replayed in (None, "true"):
            response = await client.post("/v1/things", headers=KEY)
            assert (response.status_code, response.headers.get("Idempotent-Replayed")) == (200, replayed)
    assert await counted(effects) == 1


async def test_a_form_has_its_effect_once(
    app: FastAPI, effects: Database, client_for: ClientFactory, state: State
) -> None:
    router = APIRouter(route_class=Route)

    @router.post("/forms")
    async def post(name: Annotated[str, Form()], session: IdempotentSession) -> str:
        await run(session, "INSERT INTO effects VALUES ($1, $2)", name, None)
        return name

    app.include_router(router)
    async with client_for(state) as client:
        first, again = [await client.post("/forms", headers=KEY, data={"name": "a"}) for _ in range(2)]
        other = await client.post("/forms", headers=KEY, files={"name": (None, "a")})
    assert (first.json(), again.json(), again.headers["Idempotent-Replayed"]) == ("a", "a", "true")
    assert other.json()["type"] == "/problems/idempotency-key-reused"
    assert await counted(effects) == 1


async def test_a_guard_of_the_inclusion_comes_before_a_stored_response(
    app: FastAPI, effects: Database, client_for: ClientFactory, state: State
) -> None:
    router = APIRouter(route_class=Route)

    @router.post("/letters")
    async def post(session: IdempotentSession) -> str:
        await run(session, "INSERT INTO effects VALUES ($1, $2)", "a", None)
        return "secret"

    app.include_router(router, dependencies=[Depends(only_ann)])
    check(app)
    async with client_for(state) as client:
        responses = [await client.post("/letters", headers={**KEY, "User": user}) for user in ("ann", "bob", "ann")]
    assert [each.status_code for each in responses] == [200, 403, 200]
    assert "secret" not in responses[1].text
    assert await counted(effects) == 1


async def test_a_conflict_of_another_transaction_does_not_run_the_route_again(
    app: FastAPI, effects: Database, client_for: ClientFactory, state: State
) -> None:
    router, runs = APIRouter(route_class=Route), []

    @router.post("/once")
    async def once(session: Session) -> None:
        runs.append(session)
        raise DatabaseConflict

    @router.post("/again")
    async def again(session: IdempotentSession) -> None:
        runs.append(session)
        raise DatabaseConflict

    app.include_router(router)
    async with client_for(state) as client:
        assert (await client.post("/once")).status_code == 503
        assert len(runs) == 1
        assert (await client.post("/again")).status_code == 503
        assert len(runs) == 1 + ATTEMPTS
    assert await counted(effects) == 0


async def test_an_unchecked_mistake_fails_with_the_same_advice(app: FastAPI, state: State) -> None:
    on_post(app, APIRouter())
    async with AsyncClient(transport=ASGITransport(with_state(app, state)), base_url="http://test") as client:
        with pytest.raises(RuntimeError, match=r"route_class=Route\) of chassis.routing"):
            await client.post("/v1/things")


async def test_a_get_without_a_documented_etag_is_conditional_too(
    app: FastAPI, client_for: ClientFactory, state: State
) -> None:
    router = APIRouter(route_class=Route)

    @router.get("/tagged")
    async def tagged(response: Response) -> str:
        response.headers["ETag"] = '"1"'
        return "tagged"

    app.include_router(router)
    async with client_for(state) as client:
        assert (await client.get("/tagged", headers={"If-None-Match": '"1"'})).status_code == 304


def test_a_route_that_also_changes_promises_no_304() -> None:
    router = APIRouter(route_class=Route)

    @router.api_route("/both", methods=["GET", "PUT"], responses=etag_header())
    async def both() -> None: ...

    [route] = router.routes
    assert isinstance(route, Route)
    assert set(route.responses) == {200}
