"""The application as main.py puts it together."""

import pytest
from chassis.testing import opened, with_state
from httpx2 import ASGITransport, AsyncClient

from app.main import create_app
from app.settings import Settings


def changed(settings: Settings, **values: object) -> Settings:
    return settings.model_copy(update=values)


async def get(settings: Settings, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    app = create_app(settings)
    async with opened(app) as state:
        client = AsyncClient(transport=ASGITransport(with_state(app, state)), base_url="http://test")
        response = await client.get(path, headers=headers)
        return response.status_code, dict(response.headers)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_the_docs_can_be_switched_off(settings: Settings, path: str) -> None:
    assert (await get(settings, path))[0] == 200
    assert (await get(changed(settings, docs=False), path))[0] == 404


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
    assert ("no authentication" in capsys.readouterr().out) == warned
