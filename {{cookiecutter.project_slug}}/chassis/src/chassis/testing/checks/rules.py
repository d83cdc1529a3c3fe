"""The rules of the code: each check names the file that breaks it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import DeclarativeBase, configure_mappers

from chassis.database import Base
from chassis.dev.project import loaded, names

# Calls that the chassis makes, and what to do instead.
INSTEAD = {
    "commit": "the Session dependency commits, before the response is sent",
    "AsyncClient": "chassis.upstreams has the pool, the deadline, the retries and the breaker",
}
# Modules hold definitions: no settings, engine, client or application of their own.
MADE = {"create_app", "create_engine", "create_async_engine", "AsyncClient", "Settings", "load", "configure"}


def test_what_the_chassis_does_is_not_done_again(project: Path) -> None:
    for path in _sources(project):
        for call in _calls(ast.parse(path.read_text())) & INSTEAD.keys():
            raise AssertionError(f"{path.relative_to(project)} calls {call}(): {INSTEAD[call]}")


def test_only_the_faces_of_the_chassis_are_imported(project: Path) -> None:
    for path in [*_sources(project), *sorted((project / "tests").rglob("*.py"))]:
        inside = [each for each in _imported(path) if each.startswith("chassis.") and "._" in each]
        assert inside == [], f"{path.relative_to(project)}: take it from the package"


def test_what_decides_knows_nothing_of_http(project: Path) -> None:
    for path in _sources(project):
        http = [each for each in _imported(path) if each.startswith(("fastapi", "starlette"))]
        assert path.name != "service.py" or http == [], path.relative_to(project)


def test_nothing_happens_at_import_time(project: Path) -> None:
    for path in _sources(project):
        for statement in ast.parse(path.read_text()).body:
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                assert not _calls(statement) & MADE, f"{path.relative_to(project)}:{statement.lineno}"


def test_no_relationship_loads_by_itself(project: Path) -> None:
    """An asynchronous session cannot load on attribute access; `lazy="raise"` says so where it is forgotten."""
    loaded(names(project).application)  # Imported for the features, which register their tables.
    assert lazily_loaded(Base) == []


def lazily_loaded(base: type[DeclarativeBase]) -> list[str]:
    configure_mappers()
    relationships = (each for mapper in base.registry.mappers for each in mapper.relationships)
    return [str(each) for each in relationships if not str(each.lazy).startswith("raise")]


def _sources(project: Path) -> list[Path]:
    package, _, _ = names(project).application.partition(".")
    return sorted((project / "src" / package).rglob("*.py"))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _calls(tree: ast.AST) -> set[str]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {ast.unparse(call.func).rpartition(".")[2] for call in calls}
