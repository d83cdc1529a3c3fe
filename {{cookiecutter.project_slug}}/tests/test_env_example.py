"""`.env.example` names every setting with its true default, and none that there is not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from app.kit.environment import DELIMITER, PREFIX, nested
from app.settings import Settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"
OF_THIS_MACHINE = {"APP_SERVER__WORKERS"}  # Its default is the number of CPUs.


def defaults(model: type[BaseModel], prefix: str = PREFIX) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        group = nested(field)
        if group:
            yield from defaults(group, f"{prefix}{name.upper()}{DELIMITER}")
        else:
            yield prefix + name.upper(), written(field.get_default(call_default_factory=True))


def written(value: Any) -> str:
    if value in (None, (), PydanticUndefined):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_example_has_the_settings_and_their_defaults() -> None:
    example = dict(re.findall(r"^# (APP_[A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    actual = dict(defaults(Settings))
    assert set(example) == set(actual)
    assert {name: example[name] for name in example if name not in OF_THIS_MACHINE} == {
        name: actual[name] for name in actual if name not in OF_THIS_MACHINE
    }


def test_the_example_sets_nothing() -> None:
    """A copy of it changes nothing until a line is uncommented."""
    assert all(line.startswith("#") for line in EXAMPLE.read_text().splitlines() if line)
