"""A service may differ from what was made: changed as an engineer would, it passes its own `make check`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baking import Baker
from tests.removal import ORDERS, edit, remove, said
from tests.resources import commit
from tests.services import run, started

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.timeout(1800)]

type Make = Callable[..., str]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new))


@pytest.fixture
def service(baker: Baker, machine: dict[str, str], tmp_path: Path) -> Path:
    service = baker.bake(tmp_path)
    run("uv", "lock", "--quiet", cwd=service, environment=machine)
    commit(service, "As it was made")
    return service


@pytest.fixture
def make(service: Path, machine: dict[str, str]) -> Make:
    def runs(*arguments: str, code: int = 0, **variables: str) -> str:
        command = ["make", "--no-print-directory", *arguments]
        with started(*command, cwd=service, environment=machine | variables) as process:
            said, _ = process.communicate(timeout=1500)
        assert process.returncode == code, f"{' '.join(command)} ended with {process.returncode}:\n{said}"
        return said

    return runs


def add_settings(service: Path) -> None:
    """Add the group of docs/settings.md, one of whose settings is mandatory, where the page says."""
    page = (service / "docs/settings.md").read_text().partition("## Add a group")[2]
    group, dependency = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    [example] = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    imports, _, definition = group.partition("\n\n\n")
    field, given = "mail: MailSettings", "mail=settings.mail"
    assert page.count(f"`{field}`") == 2
    assert f"`{given}`" in page
    settings, lifespan = service / "src/app/settings.py", service / "src/app/lifespan.py"
    replace(settings, "from typing import", f"{imports}\nfrom typing import")
    replace(settings, "class Settings(", f"{definition}\n\nclass Settings(")
    replace(settings, "    database: DatabaseSettings\n", f"    {field}\n    database: DatabaseSettings\n")
    replace(lifespan, "from app.settings import Settings", "from app.settings import MailSettings, Settings")
    replace(lifespan, "    drain: Drain\n", f"    drain: Drain\n    {field}\n")
    replace(lifespan, "drain=Drain(),\n", f"drain=Drain(),\n                {given},\n")
    (service / "src/app/mail.py").write_text(dependency)
    (service / "tests/test_mail.py").write_text(MAIL)
    with (service / ".env.example").open("a") as file:
        file.write(f"\n{example}")


MAIL = """from fastapi import FastAPI
from httpx2 import AsyncClient

from app.mail import CurrentMail


async def test_a_route_takes_its_settings(app: FastAPI, client: AsyncClient) -> None:
    @app.get("/mail")
    async def sender(mail: CurrentMail) -> str:
        return mail.sender

    assert (await client.get("/mail")).json() == "shop@example.com"
"""
MIDDLEWARE = '''

class RegionMiddleware:
    """Say which region answers."""

    def __init__(self, app: ASGIApp, region: str) -> None:
        self.app = app
        self.region = region.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_region(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-region", self.region)]
            await send(message)

        await self.app(scope, receive, send_with_region)
'''


def add_middleware(service: Path) -> None:
    main = service / "src/app/main.py"
    imported = "from starlette.types import ASGIApp, Message, Receive, Scope, Send\n"
    replace(
        main,
        "from starlette.middleware import Middleware\n",
        f"from starlette.middleware import Middleware\n{imported}",
    )
    replace(
        main,
        "        Middleware(logs.RequestLogMiddleware),\n",
        "        Middleware(logs.RequestLogMiddleware),\n        Middleware(RegionMiddleware, 'eu-1'),\n",
    )
    main.write_text(main.read_text().rstrip("\n") + "\n" + MIDDLEWARE)


def move_routes(service: Path, prefix: str) -> None:
    for path in [*(service / "src").rglob("*.py"), *(service / "tests").rglob("*.py")]:
        path.write_text(path.read_text().replace('"/v1/orders', f'"{prefix}/orders'))


# The line of its index is too long until the formatter breaks it.
LONG_NAME = "delivery_window_in_the_time_zone_of_the_customer"


def test_a_group_of_settings_a_middleware_and_another_prefix(service: Path, make: Make) -> None:
    add_settings(service)
    add_middleware(service)
    move_routes(service, "/api/shop")
    make("format")
    commit(service, "Ours")

    make("check")

    # What works on this machine needs no value of it, or says which one it misses.
    assert "/api/shop/orders" in make("openapi")
    gone = make("check-api", "base=HEAD~1", code=2)
    assert "POST /v1/orders: is gone" in gone
    replace(
        service / "src/app/orders/models.py",
        "    reference: Mapped[str]",
        f"    {LONG_NAME}: Mapped[str | None] = mapped_column(index=True)\n    reference: Mapped[str]",
    )
    output = make("migration", "name=notes")
    [written] = (service / "migrations/versions").glob("*_notes.py")
    assert f"Wrote {written}. Review it, then type: make migrate" in output
    assert "E501" not in output
    assert LONG_NAME in written.read_text()
    make("migrate")
    assert "configuration: APP_MAIL__PASSWORD: is missing\n" in make("serve", code=2)
    assert "configuration: APP_MAIL__PASSWORD: is missing\n" in make("dev", code=2)


SHAPE = '''

class LegacyError(BaseModel):
    """What the clients of the service before this one know."""

    code: int
    message: str
    trace: str | None = None


def render(problem: Problem) -> LegacyError:
    return LegacyError(code=problem.status, message=problem.detail or problem.title, trace=problem.request_id)


async def known(given: Annotated[str, Security(APIKeyHeader(name="X-Token"))]) -> None:
    if given != "example":
        raise HTTPException(401)
'''
IMPORTS = """from typing import Annotated
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import APIKeyHeader
from pydantic import BaseModel
from app.customers import router as customers
from chassis.errors import Problem
"""
CALLER = '[headers]\nX-Token = "example"\n'
CUSTOMERS = '''"""Customers: two routes and nothing else."""

from fastapi import APIRouter
from pydantic import BaseModel

from chassis.errors import ServiceError, problems

router = APIRouter(prefix="/customers", tags=["customers"])


class CustomerNotFound(ServiceError):
    status = 404
    slug = "customer-not-found"
    title = "There is no such customer"


class Customer(BaseModel):
    name: str


@router.get("/{number}", responses=problems(CustomerNotFound))
async def get_customer(number: int) -> Customer:
    if number != 1:
        raise CustomerNotFound(f"No customer has the number {number}")
    return Customer(name="Ada")
'''
TESTS = """from httpx2 import AsyncClient
from fastapi import FastAPI


async def test_errors_have_our_shape(client: AsyncClient, app: FastAPI) -> None:
    answer = await client.get("/customers/2", headers={"X-Token": "example", "X-Request-ID": "r-1"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"code": 404, "message": "No customer has the number 2", "trace": "r-1"}
    assert (await client.get("/customers/1")).status_code == 401
    assert (await client.get("/customers/1", headers={"X-Token": "example"})).json() == {"name": "Ada"}
    documented = app.openapi()
    responses = documented["paths"]["/customers/{number}"]["get"]["responses"]
    for status in ("404", "422", "default"):
        assert responses[status]["content"] == {
            "application/json": {"schema": {"$ref": "#/components/schemas/LegacyError"}}
        }
    assert set(documented["components"]["schemas"]) >= {"LegacyError", "Customer"}
    assert "Problem" not in documented["components"]["schemas"]
"""


def test_another_shape_of_errors_a_login_and_no_examples(service: Path, make: Make) -> None:
    _, orders = said(service)
    remove(orders, service)
    main = service / "src/app/main.py"
    edit(main, ORDERS)
    (service / "src/app/customers.py").write_text(CUSTOMERS)
    (service / "tests/test_customers.py").write_text(TESTS)
    (service / "tests/schemathesis.toml").write_text(CALLER)
    replace(
        main,
        "    errors.install(app)\n",
        '    errors.install(app, render=render, media_type="application/json")\n',
    )
    replace(
        main,
        "    app.include_router(health.router)\n",
        "    app.include_router(health.router)\n"
        "    app.include_router(customers, dependencies=[Depends(known)])\n",
    )
    replace(main, "from fastapi import FastAPI\n", IMPORTS)
    main.write_text(main.read_text().rstrip("\n") + "\n" + SHAPE)
    make("format")

    make("check")

    assert not re.search("Problem", make("openapi"))
