"""Settings from environment variables and secret files, and one clear line for each that is wrong."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

EX_CONFIG = 78  # sysexits.h: "configuration error". A supervisor can tell it from a crash.
PREFIX = "APP_"
DELIMITER = "__"
SECRETS = Path("/run/secrets")

SplitCommas = BeforeValidator(
    lambda value: [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
)


class SettingsGroup(BaseModel):
    """The base of a nested group: `database.url` is `APP_DATABASE__URL`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class EnvironmentSettings(BaseSettings):
    """The base of the service's `Settings`: where values come from, and in which order they win."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        secrets_dir=SECRETS,
        secrets_dir_missing="ok",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out `.env`, which `make dev` alone reads, and read nested names in the secrets folder."""
        del settings_cls, dotenv_settings
        return init_settings, env_settings, NestedSecretsSettingsSource(file_secret_settings)

    @classmethod
    def load(cls, *, within: str = "") -> Self:
        """Read the settings, or end the process with exit code 78 and a line for each problem.

        Names that are unknown count where they begin with `APP_` and `within`.
        """
        problems = [f"{name}: no setting has this name" for name in _unknown_names(cls, PREFIX + within)]
        try:
            settings = cls()
        except ValidationError as error:
            problems += _lines(cls, error)
        except SettingsError as error:
            problems = problems or [_undecoded(error)]
        else:
            if not problems:
                return settings
        for problem in problems:
            print(f"configuration: {problem}", file=sys.stderr)  # noqa: T201 - Logs are not configured yet.
        sys.exit(EX_CONFIG)


def variables(settings: type[BaseModel], *, required: bool = False) -> list[str]:
    """Name the variables of all settings, or of those that have no default."""
    return [PREFIX + name for name in _names(settings, required=required)]


def load_group[Group: SettingsGroup](name: str, group: type[Group]) -> Group:
    """Read one group alone, as `EnvironmentSettings.load` does; the other settings may be missing or wrong."""
    fields: dict[str, Any] = {name: (group, ...)}
    settings = create_model("GroupSettings", __base__=EnvironmentSettings, **fields)
    loaded: Group = getattr(settings.load(within=f"{name.upper()}{DELIMITER}"), name)
    return loaded


def _lines(settings: type[BaseModel], error: ValidationError) -> Iterator[str]:
    known, messages = set(_names(settings)), dict[str, list[str]]()
    for details in error.errors(include_input=False, include_url=False):
        name = _setting(details["loc"], known)
        if details["type"] == "missing":
            missing = [each for each in _names(settings, required=True) if each.startswith(name)]
            messages |= {each: ["is missing"] for each in ([name] if name in known else missing)}
        elif details["type"] != "extra_forbidden":  # `_unknown_names` has named it already.
            messages.setdefault(name, []).append(details["msg"].removeprefix("Value error, "))
    for name, of_name in messages.items():
        if name in known:
            yield f"{PREFIX}{name}: {'; '.join(dict.fromkeys(of_name))}"
        else:
            yield from (_of_group(name, each, known) for each in of_name)


def _setting(location: Sequence[str | int], known: set[str]) -> str:
    """Return a setting's name. A location goes further where a value has parts, or its type is a union."""
    parts = [part.upper() for part in location if isinstance(part, str)]
    names = accumulate(parts, lambda group, part: f"{group}{DELIMITER}{part}")
    return next((name for name in names if name in known), DELIMITER.join(parts))


def _of_group(group: str, message: str, known: set[str]) -> str:
    """Complete the names in the message of a group's own validator, which does not know the group's name."""

    def complete(word: re.Match[str]) -> str:
        name = DELIMITER.join(filter(None, (group, word[0])))
        return PREFIX + name if name in known else word[0]

    completed = re.sub(r"\b[A-Z][A-Z0-9_]*", complete, message)
    return completed if completed.startswith(PREFIX) else f"{PREFIX}{group}: {completed}"


def _undecoded(error: SettingsError) -> str:
    text = getattr(error.__cause__, "doc", None)  # A JSONDecodeError has it.
    names = (name for name, value in os.environ.items() if name.upper().startswith(PREFIX) and value == text)
    return next((f"{name}: is not valid JSON" for name in names), str(error))


def _unknown_names(settings: type[BaseModel], within: str) -> list[str]:
    """Misspelt variables and secret files; pydantic-settings sees those of a known group only."""
    known = set(variables(settings))
    given = set(os.environ)
    if SECRETS.is_dir():
        given |= {path.name for path in SECRETS.iterdir()}
    return sorted(name for name in given if name.upper().startswith(within) and name.upper() not in known)


def _names(model: type[BaseModel], *, required: bool = False) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if required and not field.is_required():
            continue
        if group := nested(field):
            yield from (f"{name.upper()}{DELIMITER}{inner}" for inner in _names(group, required=required))
        else:
            yield name.upper()


def nested(field: FieldInfo) -> type[BaseModel] | None:
    types = (field.annotation, *get_args(field.annotation))
    return next((type_ for type_ in types if isinstance(type_, type) and issubclass(type_, BaseModel)), None)
