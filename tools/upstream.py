# /// script
# requires-python = ">=3.13"
# dependencies = ["cookiecutter>=2.7"]
# ///
"""`make upstream`: add an outbound API, from the version of the template that made this service."""

import ast
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

from tools.features import is_there
from tools.scaffold import IN_SERVICE, Scaffold, add, asked, copy, made_by, refuse_uncommitted, ruff
from tools.service import PROJECT, run
from tools.terminal import CommandError
from tools.wiring import CONFTEST, ENVIRONMENT, LIFESPAN, SETTINGS, refuse_taken, wire

EXAMPLE = "make upstream name=payments url=https://payments.example/v2/"


def main() -> int:
    return add(
        "make upstream", scaffold, then="make check; then write its real calls, in its client and schemas"
    )


def scaffold(folder: Path) -> Scaffold:
    name, url = asked("name", "url").values()
    if not name:
        raise CommandError(f"it needs a name: {EXAMPLE}")
    refuse_uncommitted()
    made = made_by("upstream", {"name": name, "url": read_by_settings(name, url)}, folder)
    refuse_clash(made, name)
    group, variables = ((made / "parts" / each).read_text() for each in ("settings.py", "env.example"))
    shutil.rmtree(made / "parts")
    service, new = copy(made, folder)
    shutil.copy2(PROJECT / ENVIRONMENT, service)
    wire(service, name, group, variables)
    tidy(service, [*new, SETTINGS, LIFESPAN, CONFTEST])
    return Scaffold(service, new, [SETTINGS, LIFESPAN, CONFTEST, ENVIRONMENT])


def read_by_settings(name: str, url: str) -> str:
    """Return the URL as the settings will read it, or `.env.example` would differ from them."""
    return run("-P", str(IN_SERVICE / "answers.py"), name, url, folder=PROJECT).strip()


def refuse_clash(made: Path, name: str) -> None:
    paths = (
        f"src/app/{name}",
        f"src/app/{name}.py",
        f"tests/{name}",
        f"tests/{name}.py",
        f"tests/{name}_api.py",
    )
    if there := [each for each in paths if is_there(PROJECT / each)]:
        raise CommandError(f"{there[0]} exists already. Type another name=…")
    refuse_taken(PROJECT, name)
    for path in sorted((PROJECT / "tests").rglob("*.py")):
        if taken := re.search(rf"^(?:async )?def ({name}_(?:api|server))\b", path.read_text(), re.MULTILINE):
            raise CommandError(
                f"there is a {taken[1]} in {path.relative_to(PROJECT)}; another name than {name}"
            )
    for path in sorted(made.rglob("*.py")):
        if twice := [each for each, times in Counter(bound(path)).items() if times > 1]:
            raise CommandError(
                f"the name {name!r}: its code has a {twice[0]} already; for example {name}_api"
            )


def bound(path: Path) -> list[str]:
    """What a module imports and defines."""
    body = ast.parse(path.read_text()).body
    imported = [alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assigned = [
        ast.unparse(target) for node in body if isinstance(node, ast.Assign) for target in node.targets
    ]
    defined = [
        node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return imported + assigned + defined


def tidy(service: Path, paths: list[Path]) -> None:
    """Bring imports in order, and break the lines where they are long."""
    ruff(service, "check", "--fix-only", "--quiet", "--select", "I001", *map(str, paths))
    ruff(service, "format", "--quiet", *map(str, paths))


if __name__ == "__main__":
    sys.exit(main())
