"""The application as a whole."""

import pytest
from httpx2 import ASGITransport, AsyncClient

from app.lifespan import State
from app.main import create_app
from app.settings import Settings
from tests.conftest import ClientFactory, opened, with_state


def changed(settings: Settings, **values: object) -> Settings:
    return settings.model_copy(update=values)


async def get(settings: Settings, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    app = create_app(settings)
    async with opened(app) as state:
        client = AsyncClient(transport=ASGITransport(with_state(app, state)), base_url="http://test")
        answer = await client.get(path, headers=headers)
        return answer.status_code, dict(answer.headers)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_the_docs_can_be_switched_off(settings: Settings, path: str) -> None:
    assert (await get(settings, path))[0] == 200
    assert (await get(changed(settings, docs=False), path))[0] == 404


async def test_the_document_is_named_after_the_project(settings: Settings) -> None:
    document = create_app(settings).openapi()
    assert document["info"]["title"] not in ("", "app", "FastAPI")
    assert document["info"]["description"]


def test_a_304_is_promised_only_where_the_header_is_read(settings: Settings) -> None:
    """`cacheable()` on a route of another class than ConditionalRoute would promise what never comes."""
    for path in create_app(settings).openapi()["paths"].values():
        for operation in path.values():
            names = {each["name"] for each in operation.get("parameters", [])}
            assert ("304" in operation["responses"]) == ("If-None-Match" in names)


async def test_only_named_origins_may_call(settings: Settings) -> None:
    ours = changed(settings, cors_origins=("https://ours.example",))
    for some, origin, allowed in [
        (settings, "https://ours.example", None),
        (ours, "https://ours.example", "https://ours.example"),
        (ours, "https://theirs.example", None),
    ]:
        _, headers = await get(some, "/livez", Origin=origin)
        assert headers.get("access-control-allow-origin") == allowed


async def test_a_slash_too_many_is_not_found(settings: Settings) -> None:
    assert (await get(settings, "/livez/"))[0] == 404


@pytest.mark.parametrize(("environment", "warned"), [("development", False), ("staging", True), ("production", True)])
def test_a_service_without_authentication_warns_where_it_matters(
    settings: Settings, capsys: pytest.CaptureFixture[str], environment: str, warned: bool
) -> None:
    create_app(changed(settings, environment=environment))
    assert ("there is no authentication" in capsys.readouterr().out) == warned


async def test_two_applications_live_in_one_process(
    settings: Settings, client_for: ClientFactory, state: State
) -> None:
    other = create_app(changed(settings, docs=False))
    async with opened(other) as others_state:
        assert others_state["database"].engine is not state["database"].engine
        transport = ASGITransport(with_state(other, others_state))
        async with client_for(state) as one, AsyncClient(transport=transport, base_url="http://test") as two:
            assert (await one.get("/readyz")).status_code == (await two.get("/readyz")).status_code == 200
            assert (await one.get("/docs")).status_code == 200
            assert (await two.get("/docs")).status_code == 404


async def test_the_pools_are_closed_with_the_application(settings: Settings, client_for: ClientFactory) -> None:
    app = create_app(settings)
    async with opened(app) as state, client_for(state) as client:
        await client.get("/readyz")
        assert "Connections in pool: 1" in state["database"].engine.pool.status()
    assert state["exchange_rates"].client.is_closed
    assert "Connections in pool: 0" in state["database"].engine.pool.status()
