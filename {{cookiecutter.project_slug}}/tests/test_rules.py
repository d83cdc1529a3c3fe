"""The house rules, as checks: each names the file that breaks it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column, relationship

from app import main
from app.kit.database import Base

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/app"
FILES = sorted(SOURCE.rglob("*.py"))
OF_THE_TEMPLATE = ("kit", "server")

REGISTERED = main  # Imported for the features, which register their tables.


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2]


# A transaction of statements ends in kit/driver.py; one of a session by SQLAlchemy's own `begin()`.
@pytest.mark.parametrize(("call", "home"), [("commit", "kit/driver.py"), ("AsyncClient", "kit/outbound.py")])
def test_some_calls_have_one_home(call: str, home: str) -> None:
    assert [name(path) for path in FILES if call in called(path)] == [home]


@pytest.mark.parametrize("path", [path for path in FILES if name(path).startswith(OF_THE_TEMPLATE)], ids=name)
def test_the_templates_packages_import_no_feature(path: Path) -> None:
    for module in imported(path):
        if module.startswith("app."):
            allowed = ("kit",) if name(path).startswith("kit") else ("kit", "server", "settings", "main")
            assert module.split(".")[1] in allowed, f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "service.py"], ids=name)
def test_what_decides_knows_nothing_of_http(path: Path) -> None:
    assert not [module for module in imported(path) if module.startswith(("fastapi", "starlette"))]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_happens_at_import_time(path: Path) -> None:
    """Modules hold definitions: no settings, engine, client or application of their own."""
    made = {"create_app", "create_engine", "create_async_engine", "AsyncClient", "Settings", "load", "configure"}
    for statement in ast.parse(path.read_text()).body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            calls = {
                ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(statement) if isinstance(node, ast.Call)
            }
            assert not calls & made, f"{name(path)}:{statement.lineno}"


def lazily_loaded(base: type[DeclarativeBase]) -> list[str]:
    configure_mappers()
    relationships = (each for mapper in base.registry.mappers for each in mapper.relationships)
    return [str(each) for each in relationships if not str(each.lazy).startswith("raise")]


def test_no_relationship_loads_by_itself() -> None:
    """An asynchronous session cannot load on attribute access; `lazy="raise"` says so where it is forgotten."""
    assert lazily_loaded(Base) == []


def test_the_rule_on_relationships_finds_one() -> None:
    class Another(DeclarativeBase):
        """Apart from the service's own tables."""

    class Parent(Another):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Child(Another):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(ForeignKey(Parent.id), primary_key=True)
        careless = relationship(Parent)
        careful = relationship(Parent, lazy="raise", viewonly=True)

    del Child
    assert lazily_loaded(Another) == ["Child.careless"]
