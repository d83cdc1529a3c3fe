"""The lines by which a service knows an upstream, in the files that name them all.

The syntax tree shows the place of each, so every other line stays as it is. If a place is missing, the
error shows the line that belongs there.
"""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tools.terminal import CommandError

SETTINGS = Path("src/app/settings.py")
LIFESPAN = Path("src/app/lifespan.py")
CONFTEST = Path("tests/conftest.py")
ENVIRONMENT = Path(".env.example")


class Addition(NamedTuple):
    line: int
    column: int
    text: str


def wire(service: Path, name: str, group: str, variables: str) -> None:
    """Add the settings group, its field, the pool, the stand-in of the tests and the variables."""
    _add(service, SETTINGS, _of_settings(_parsed(service, SETTINGS), name, group))
    _add(service, LIFESPAN, _of_lifespan(_parsed(service, LIFESPAN), name))
    _add(service, CONFTEST, _of_conftest(_parsed(service, CONFTEST), name))
    _document(service / ENVIRONMENT, variables)


def refuse_taken(service: Path, name: str) -> None:
    for path, owner in ((SETTINGS, "Settings"), (LIFESPAN, "State")):
        tree = _parsed(service, path)
        fields = {ast.unparse(field.target) for field in _fields(_class(tree, owner))}
        classes = {node.name.lower() for node in _classes(tree)}
        if name in fields or f"{name.replace('_', '')}settings" in classes:
            raise CommandError(f"{path} has {name} already. Type another name=…")


def _of_settings(tree: ast.Module, name: str, group: str) -> list[Addition]:
    [made] = _classes(ast.parse(group))
    line = f"{name}: {made.name} = {made.name}()"
    settings = _class(tree, "Settings")
    if not settings or not _fields(settings):
        raise _no_place(SETTINGS, "class Settings with fields", line)
    upstreams = {node.name for node in _classes(tree) if "UpstreamSettings" in map(ast.unparse, node.bases)}
    fields = _fields(settings)
    like = [field for field in fields if ast.unparse(field.annotation) in upstreams] or fields
    return [
        *_imports(tree, ("chassis.upstreams", "UpstreamSettings"), ("pydantic", "HttpUrl")),
        Addition(settings.lineno, 0, f"{group.strip()}\n\n\n"),
        _below(settings, like[-1], line),
    ]


def _of_lifespan(tree: ast.Module, name: str) -> list[Addition]:
    opened = f'Upstream.open("{name.replace("_", "-")}", settings.{name})'
    state, made = _class(tree, "State"), [call for call in _calls(tree, "State") if call.keywords]
    entered = [call for each in made for call in _calls(each, "enter_async_context")]
    if not state or not _fields(state):
        raise _no_place(LIFESPAN, "class State with keys", f"{name}: Upstream")
    if not entered:
        raise _no_place(
            LIFESPAN, "State(…) that is given pools", f"{name}=await stack.enter_async_context({opened})"
        )
    last = made[-1].keywords[-1]
    pool = f"{name}=await {ast.unparse(entered[-1].func)}({opened})"
    return [
        *_imports(tree, ("chassis.upstreams", "Upstream")),
        _below(state, _fields(state)[-1], f"{name}: Upstream"),
        Addition(last.end_lineno or 0, last.end_col_offset or 0, f",\n{' ' * last.col_offset}{pool}"),
    ]


def _of_conftest(tree: ast.Module, name: str) -> list[Addition]:
    plugin = f"tests.{name}_api"
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="pytest_plugins")], value=ast.List(elts=[*_, last] as plugins)
            ):
                later = [
                    each for each in plugins if isinstance(each, ast.Constant) and str(each.value) > plugin
                ]
                if later:
                    return [Addition(later[0].lineno, later[0].col_offset, f'"{plugin}", ')]
                return [Addition(last.end_lineno or 0, last.end_col_offset or 0, f', "{plugin}"')]
    raise _no_place(CONFTEST, "list pytest_plugins", f'"{plugin}",')


def _document(path: Path, variables: str) -> None:
    """Put them below those of the last upstream, or else at the end."""
    paragraphs = path.read_text().rstrip("\n").split("\n\n")
    upstreams = tuple(re.findall(r"(APP_\w+?__)BASE_URL=", "\n".join(paragraphs)))
    named = [
        number for number, each in enumerate(paragraphs) if any(f"# {name}" in each for name in upstreams)
    ]
    paragraphs.insert(named[-1] + 1 if named else len(paragraphs), variables.strip())
    path.write_text("\n\n".join(paragraphs) + "\n")


def _parsed(service: Path, path: Path) -> ast.Module:
    try:
        return ast.parse((service / path).read_text())
    except SyntaxError as error:
        raise CommandError(f"{path}:{error.lineno} is not valid Python. Correct it first") from None


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def _class(tree: ast.Module, name: str) -> ast.ClassDef | None:
    # One with a decorator would need another place before it.
    return next((node for node in _classes(tree) if node.name == name and not node.decorator_list), None)


def _fields(owner: ast.ClassDef | None) -> list[ast.AnnAssign]:
    return [node for node in owner.body if isinstance(node, ast.AnnAssign)] if owner else []


def _calls(tree: ast.AST, name: str) -> list[ast.Call]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == name]


def _below(owner: ast.ClassDef, field: ast.AnnAssign, line: str) -> Addition:
    """Below a field and what is said of it."""
    after = owner.body[owner.body.index(field) + 1 :][:1]
    said = [node for node in after if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    node = said[0] if said else field
    return Addition(node.end_lineno or 0, node.end_col_offset or 0, f"\n{' ' * field.col_offset}{line}")


def _imports(tree: ast.Module, *needed: tuple[str, str]) -> list[Addition]:
    """Below the last import; ruff then brings them in order."""
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    there = {alias.asname or alias.name for node in imports for alias in node.names}
    last = imports[-1].end_lineno or 0 if imports else 0
    return [
        Addition(last + 1, 0, f"from {module} import {name}\n")
        for module, name in needed
        if name not in there
    ]


def _no_place(path: Path, what: str, line: str) -> CommandError:
    return CommandError(f"{path} has no {what} any more, where this line would go: {line}")


def _add(service: Path, path: Path, additions: Sequence[Addition]) -> None:
    # Columns of a syntax tree count bytes. From the end on, so that the other places stay where they are.
    lines = (service / path).read_bytes().splitlines(keepends=True)
    for line, column, text in sorted(additions, reverse=True):
        there = lines[line - 1]
        lines[line - 1] = there[:column] + text.encode() + there[column:]
    (service / path).write_bytes(b"".join(lines))
