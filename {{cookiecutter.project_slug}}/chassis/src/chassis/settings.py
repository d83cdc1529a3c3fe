"""Settings from environment variables and secret files, and one clear line for each that is wrong."""

import os
import sys
from collections.abc import Iterator
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
            problems = problems or [str(error)]
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
    for details in error.errors(include_input=False, include_url=False):
        name = DELIMITER.join(part.upper() for part in details["loc"] if isinstance(part, str))
        if details["type"] == "missing":
            missing = (each for each in _names(settings, required=True) if each.startswith(name))
            yield from (f"{PREFIX}{each}: is missing" for each in missing)
        elif details["type"] != "extra_forbidden":  # `_unknown_names` has named it already.
            yield f"{PREFIX}{name}: {details['msg'].removeprefix('Value error, ')}"


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
