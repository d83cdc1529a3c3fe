"""The examples of docs/database.md do what it says."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from chassis import database as chassis_database
from chassis import idempotency
from chassis.database import Base, Database

TEXT = (Path(__file__).parents[1] / "docs/database.md").read_text()


@pytest.fixture(scope="module")
def example() -> Any:
    class Local(DeclarativeBase):
        """Keeps the document's table out of the service's own, and is new each time that the fixture is."""

        metadata = MetaData(naming_convention=Base.metadata.naming_convention)

    module = ModuleType("example")
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    # A service may have customers of its own.
    code = "\n".join(blocks).replace("(Base)", "(Local)").replace("customers", "example_customers")
    module.__dict__["Local"] = Local
    exec(compile(code, "docs/database.md", "exec"), module.__dict__)  # noqa: S102 - Our own.
    return module


@pytest.fixture
async def customers(app: FastAPI, database: Database, example: Any) -> Any:
    app.include_router(example.router)
    async with database.transaction() as session:
        await (await session.connection()).run_sync(example.Local.metadata.create_all)
    return example


async def test_routes(client: AsyncClient, customers: Any) -> None:
    key = {"Idempotency-Key": "2f1c86ac-8a43-4f0c-9c2e-0a3f6f7f5c11"}
    added = [(await client.post("/v1/example_customers", params={"name": "Ada"}, headers=key)).json() for _ in range(2)]
    assert added[0] == added[1]
    assert added[0]["country"] == "DE"
    assert (await client.post("/v1/example_customers", params={"name": "Ada"})).json()[
        "type"
    ] == "/problems/customer-exists"
    assert (await client.get("/v1/example_customers")).json() == [added[0]]
    assert (await client.get("/v1/example_customers?country=FR&country=DE")).json() == [added[0]]
    assert (await client.get("/v1/example_customers", params={"country": "FR"})).json() == []
    assert (await client.get("/v1/example_customers", params={"before": added[0]["id"]})).json() == []
    assert (await client.post("/v1/example_customers/import", json=["Bob", "Eve"])).status_code == 204
    assert [each["name"] for each in (await client.get("/v1/example_customers")).json()] == ["Eve", "Bob", "Ada"]
    assert customers.router.prefix == "/v1/example_customers"


async def test_transactions(database: Database, customers: Any) -> None:
    first, second = [await customers.ADD.one(database.pool, name=name) for name in ("First", "Second")]
    await customers.swap(database, first.id, second.id)
    assert (await customers.BY_ID.one(database.pool, id=first.id)).name == "Second"
    assert await customers.add_and_count(database) == 3


def test_each_dependency_has_its_line() -> None:
    """What a route may take stands in the table, and what stands there exists."""
    named = set(re.findall(r"`(\w*(?:Pool|Session|Transaction|Database))`", TEXT.partition("\n## ")[0]))
    given = {
        name
        for module in (chassis_database, idempotency)
        for name, value in vars(module).items()
        if getattr(value, "__metadata__", None) and not name.startswith("_")
    }
    assert named == given
