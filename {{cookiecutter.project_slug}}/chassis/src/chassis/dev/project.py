"""The project that a command works on: the current folder's, by the names that its pyproject.toml gives."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from chassis.settings import EnvironmentSettings, variables

_EXAMPLE = re.compile(r"^# ?(APP_[A-Z0-9_]+)=(\S.*)$", re.MULTILINE)


def found(start: Path) -> Path:
    """Find the folder of the project; an editor may run a test in a folder below it."""
    return next((each for each in (start, *start.parents) if (each / "pyproject.toml").is_file()), start)


PROJECT = found(Path.cwd())


@dataclass(frozen=True)
class Names:
    """The application and the settings are `module:attribute`; the title is for people."""

    application: str = "app.main:create_app"
    settings: str = "app.settings:Settings"
    title: str = ""


def names(project: Path = PROJECT) -> Names:
    """Read `[tool.chassis]`; where it is not, the names are those of a service that was just made."""
    tools = tomllib.loads((project / "pyproject.toml").read_text("utf-8")).get("tool", {})
    return Names(**tools.get("chassis", {}))


def loaded(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


def settings_of(project: Path = PROJECT) -> type[EnvironmentSettings]:
    found: type[EnvironmentSettings] = loaded(names(project).settings)
    return found


def examples(project: Path = PROJECT) -> Iterator[tuple[str, str]]:
    """Yield the example that `.env.example` gives of each setting without a default, but for the database's."""
    path = project / ".env.example"
    written = _EXAMPLE.findall(path.read_text("utf-8")) if path.exists() else []
    required = variables(settings_of(project), required=True) if written else []
    for name, value in written:
        if name in required and not name.startswith("APP_DATABASE__"):
            yield name, value
