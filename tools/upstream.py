"""`make upstream`: an outbound API beside the others, made from the template that made this service."""

import ast
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

from pydantic import HttpUrl, TypeAdapter, ValidationError

from app.kit.environment import EnvironmentSettings
from dev.features import is_there
from dev.postgres import PROJECT
from dev.programs import CannotStart
from dev.staging import Staged, add, asked, copy, refuse_uncommitted, render, run
from dev.wiring import CONFTEST, ENVIRONMENT, LIFESPAN, SETTINGS, refuse_taken, wire

EXAMPLE = "make upstream name=payments url=https://payments.example/v2/"


def main() -> int:
    return add("make upstream", stage, then="make check; then its real calls, in its client and schemas")


def stage(folder: Path) -> Staged:
    name, url = asked("name", "url").values()
    if not name:
        raise CannotStart(f"it needs a name: {EXAMPLE}")
    refuse_uncommitted()
    made = render("upstream", {"name": name, "url": normal(url)}, folder)
    refuse_clash(made, name)
    group, variables = ((made / "parts" / each).read_text() for each in ("settings.py", "env.example"))
    shutil.rmtree(made / "parts")
    staged, new = copy(made, folder)
    shutil.copy2(PROJECT / ENVIRONMENT, staged)
    wire(staged, name, group, variables)
    tidy(staged, [*new, SETTINGS, LIFESPAN, CONFTEST])
    return Staged(staged, new, [SETTINGS, LIFESPAN, CONFTEST, ENVIRONMENT])


def normal(url: str) -> str:
    """Write it as the settings will read it, or `.env.example` would differ from them."""
    try:
        return str(TypeAdapter(HttpUrl).validate_python(url)) if url else ""
    except ValidationError as error:
        raise CannotStart(f"the url {url!r}: {error.errors()[0]['msg']}; for example {EXAMPLE}") from None


def refuse_clash(made: Path, name: str) -> None:
    paths = (f"src/app/{name}", f"src/app/{name}.py", f"tests/{name}", f"tests/{name}.py", f"tests/{name}_api.py")
    if there := [each for each in paths if is_there(PROJECT / each)]:
        raise CannotStart(f"there is {there[0]} already; another name makes another one")
    refuse_taken(PROJECT, name)
    if name in dir(EnvironmentSettings) or name.startswith("model_"):
        raise CannotStart(f"the name {name!r}: settings have this attribute already; for example {name}_api")
    for path in sorted((PROJECT / "tests").rglob("*.py")):
        if taken := re.search(rf"^(?:async )?def ({name}_(?:api|server))\b", path.read_text(), re.MULTILINE):
            raise CannotStart(f"there is a {taken[1]} in {path.relative_to(PROJECT)}; another name than {name}")
    for path in sorted(made.rglob("*.py")):
        if twice := [each for each, times in Counter(bound(path)).items() if times > 1]:
            raise CannotStart(f"the name {name!r}: its code has a {twice[0]} already; for example {name}_api")


def bound(path: Path) -> list[str]:
    """What a module imports and defines."""
    body = ast.parse(path.read_text()).body
    imported = [alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assigned = [ast.unparse(target) for node in body if isinstance(node, ast.Assign) for target in node.targets]
    defined = [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    return imported + assigned + defined


def tidy(staged: Path, paths: list[Path]) -> None:
    """Bring imports in order, and break the lines where they are long."""
    run(staged, "ruff", "check", "--fix-only", "--quiet", "--select", "I001", *map(str, paths))
    run(staged, "ruff", "format", "--quiet", *map(str, paths))


if __name__ == "__main__":
    sys.exit(main())
