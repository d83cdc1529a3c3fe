"""The features of a service, read from their code without running it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tools.terminal import CommandError


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
    """Raise an error if a new feature clashes with existing code; return the name of its folder."""
    [folder] = [path.name for path in (made / "src/app").iterdir()]
    [prefix] = _prefixes(made)
    paths = (f"src/app/{folder}", f"src/app/{folder}.py", f"tests/{folder}")
    there = [each for each in paths if is_there(project / each)]
    there += [f"a table {folder}"] * (folder in {table for _, table in _tables(project)})
    there += [f"a route {prefix}"] * (prefix in _prefixes(project))
    if there:
        raise CommandError(f"{there[0]} exists already. Type another name=… or plural=…")
    classes = {each for path in _modules(made) for each in _classes(path)}
    for path in _modules(project):
        if taken := sorted(classes & set(_classes(path))):
            raise CommandError(
                f"there is a class {taken[0]} in {path.relative_to(project)}; another name than {name}"
            )
    return folder


def is_there(path: Path) -> bool:
    """Whether it is more than the bytecode that stays behind when a folder's files go with their branch."""
    return path.is_file() or any(each.is_file() and each.suffix != ".pyc" for each in path.rglob("*"))


def _modules(project: Path) -> list[Path]:
    return sorted((project / "src/app").rglob("*.py"))


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text())
    except SyntaxError as error:
        raise CommandError(f"{path}:{error.lineno} is not valid Python. Correct it first") from None


def _classes(path: Path) -> Iterator[str]:
    return (node.name for node in ast.walk(_parsed(path)) if isinstance(node, ast.ClassDef))


def _tables(project: Path) -> Iterator[tuple[str, str]]:
    """Each table's class, as a name in lower case with underscores, and the table itself."""
    # Of the chassis too, where it is in the tree; a published one's are named by the migration that fails.
    for path in (*_modules(project), *sorted((project / "chassis/src").rglob("*.py"))):
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.ClassDef):
                name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower()
                yield from ((name, table) for table in _table_of(node))
            elif (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "Table"
                and isinstance(node.args[0], ast.Constant)
            ):
                yield str(node.args[0].value), str(node.args[0].value)


def _table_of(model: ast.ClassDef) -> Iterator[str]:
    for line in model.body:
        match line:
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(table))):
                yield table


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
