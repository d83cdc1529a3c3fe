"""The lines of main.py that register a feature."""

import ast
from pathlib import Path

from tools.terminal import CommandError


def register(main: Path, feature: str) -> None:
    """Add the import and the router beside the others, and leave every other line as it is."""
    text = main.read_text()
    tree = ast.parse(text)
    if feature in _names(tree):
        raise CommandError(f"src/app/main.py has a {feature} already. Type another name=… or plural=…")
    imported, included = _place_of_import(tree, feature), _last_router(tree)
    if not imported or not included:
        raise CommandError(
            "src/app/main.py has no import from app., or no app.include_router(…), to put the new one beside"
        )
    lines = text.splitlines(keepends=True)
    call = lines[included.lineno - 1][: included.col_offset] + f"{ast.unparse(included.func)}({feature})\n"
    lines.insert(included.end_lineno or included.lineno, call)
    lines.insert(imported - 1, f"from app.{feature}.router import router as {feature}\n")
    main.write_text("".join(lines))


def _names(tree: ast.Module) -> set[str]:
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    defined = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    return imported | defined | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _place_of_import(tree: ast.Module, feature: str) -> int | None:
    """Return the line before which it stands in the order of the modules."""
    ours = [
        node
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.")
    ]
    later = [node.lineno for node in ours if str(node.module) > f"app.{feature}.router"]
    return later[0] if later else (ours[-1].end_lineno or ours[-1].lineno) + 1 if ours else None


def _last_router(tree: ast.Module) -> ast.Call | None:
    """Find it among the plain statements of a function: within an `if` it would not be there for all."""
    calls = [
        line.value
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for line in node.body
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call)
        if isinstance(line.value.func, ast.Attribute) and line.value.func.attr == "include_router"
    ]
    return max(calls, key=lambda call: call.lineno, default=None)
