"""`.env.example` lists exactly the existing settings, each with its default."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from chassis.dev.project import settings_of
from chassis.settings import DELIMITER, PREFIX, EnvironmentSettings, nested, variables

OF_THIS_MACHINE = {"APP_SERVER__WORKERS", "APP_SERVER__MAX_CONNECTIONS"}  # By default the CPUs, and the descriptors.


def test_the_example_has_the_settings_and_their_defaults(project: Path) -> None:
    assert list(problems((project / ".env.example").read_text("utf-8"), settings_of(project))) == []


def test_the_example_sets_nothing(project: Path) -> None:
    """A copy of it changes nothing until a line is uncommented."""
    lines = (project / ".env.example").read_text("utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def problems(example: str, settings: type[EnvironmentSettings]) -> Iterator[str]:
    written = dict(re.findall(r"^# (APP_[A-Z0-9_]+)=(.*)$", example, re.MULTILINE))
    actual, required = dict(_defaults(settings)), variables(settings, required=True)
    for name in sorted(written.keys() - actual.keys()):
        yield f"{name} is not a setting; remove its line"
    for name, default in actual.items():
        if name in required:
            # A test, `make openapi` and `make check-api` need some value where there is no default.
            if not written.get(name) and not name.startswith("APP_DATABASE__"):
                yield f"{name} has no default, so give it an example, which the tests use too: # {name}=…"
        elif name not in written:
            yield f"{name} is missing: # {name}={_text(default)}"
        elif name not in OF_THIS_MACHINE and written[name] != _text(default):
            yield f"{name} is not {written[name]} by default: # {name}={_text(default)}"


def _defaults(model: type[BaseModel], prefix: str = PREFIX) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        if group := nested(field):
            yield from _defaults(group, f"{prefix}{name.upper()}{DELIMITER}")
        else:
            yield prefix + name.upper(), field.get_default(call_default_factory=True)


def _text(value: Any) -> str:
    if value in (None, (), PydanticUndefined):  # The last, of an optional group: without it there is no group.
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
