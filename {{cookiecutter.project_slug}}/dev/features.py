"""What features there are, read from their code without running it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from dev.programs import CannotStart


def features(project: Path) -> dict[str, dict[str, str | bool]]:
    """Each resource that another can refer to: one with a table, a route, and a `new_…` among the tests."""
    found: dict[str, dict[str, str | bool]] = {}
    factories = dict(_factories(project / "tests"))
    prefixes = _prefixes(project)
    for name, table in _tables(project):
        route = next((each for each in prefixes if each.endswith(f"/{table.replace('_', '-')}")), None)
        if route and name in factories:
            module, awaits = factories[name]
            found[name] = {"table": table, "route": route, "factory": module, "awaits": awaits}
    return found


def refuse_clash(project: Path, made: Path, name: str) -> str:
    """Refuse a new feature that would get in the way of what is there; return the name of its folder."""
    [folder] = [path.name for path in (made / "src/app").iterdir()]
    for path in (f"src/app/{folder}", f"src/app/{folder}.py", f"tests/{folder}"):
        if (project / path).exists():
            raise CannotStart(f"there is {path} already; another name, or a plural=…, makes another folder")
    if folder in dict(map(reversed, _tables(project))):
        raise CannotStart(f"there is a table {folder} already; another name, or a plural=…, makes another table")
    [prefix] = set(_prefixes(made))
    if prefix in _prefixes(project):
        raise CannotStart(f"there is a route {prefix} already; another name, or a plural=…, makes another route")
    classes = {each for path in _modules(made) for each in _classes(path)}
    for path in _modules(project):
        if taken := sorted(classes & set(_classes(path))):
            raise CannotStart(f"there is a class {taken[0]} in {path.relative_to(project)} already; another name than {name}")
    return folder


def _modules(project: Path) -> list[Path]:
    return sorted((project / "src/app").rglob("*.py"))


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text())
    except SyntaxError as error:
        raise CannotStart(f"{path}:{error.lineno} is no Python; correct it first") from None


def _classes(path: Path) -> Iterator[str]:
    return (node.name for node in ast.walk(_parsed(path)) if isinstance(node, ast.ClassDef))


def _tables(project: Path) -> Iterator[tuple[str, str]]:
    for path in _modules(project):
        for node in ast.walk(_parsed(path)):
            match node:
                case ast.ClassDef(name=name):
                    for line in node.body:
                        match line:
                            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(table))):
                                yield re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(), table
                case ast.Call(func=ast.Name(id="Table"), args=[ast.Constant(value=str(table)), *_]):
                    yield table, table


def _prefixes(project: Path) -> list[str]:
    return [
        prefix
        for path in _modules(project)
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "APIRouter"
        for keyword in node.keywords
        if keyword.arg == "prefix" and isinstance(keyword.value, ast.Constant)
        for prefix in [str(keyword.value.value)]
    ]


def _factories(tests: Path) -> Iterator[tuple[str, tuple[str, bool]]]:
    for path in sorted(tests.rglob("factories.py")):
        module = ".".join(path.relative_to(tests.parent).with_suffix("").parts)
        for node in _parsed(path).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("new_"):
                yield node.name.removeprefix("new_"), (module, isinstance(node, ast.AsyncFunctionDef))
