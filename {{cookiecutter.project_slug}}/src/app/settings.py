"""All settings. A variable is `APP_` and the path of a field, joined by `__`: `APP_DATABASE__URL`.

A file in `/run/secrets` with the variable's name in lower case works as well. Times are in seconds.
"""

from typing import Annotated, Literal, Self

from chassis.database import DatabaseSettings
from chassis.logs import LogSettings
from chassis.server import ServerSettings
from chassis.settings import EnvironmentSettings, SplitCommas
from chassis.upstreams import UpstreamSettings
from pydantic import Field, HttpUrl, model_validator
from pydantic_settings import NoDecode


class ExchangeRatesSettings(UpstreamSettings):
    base_url: HttpUrl = HttpUrl("https://api.frankfurter.dev/v1/")
    """The API of https://frankfurter.dev, or a copy of your own."""


class Settings(EnvironmentSettings):
    environment: Literal["development", "staging", "production"] = "production"
    """Where this runs. All but `development` warn at the start that there is no authentication."""
    docs: bool = True
    """Whether to serve `/docs` and `/openapi.json`."""
    cors_origins: Annotated[tuple[str, ...], NoDecode, SplitCommas] = ()
    """Origins of web pages that may call this service: `https://a.example,https://b.example`."""

    database: DatabaseSettings
    exchange_rates: ExchangeRatesSettings = ExchangeRatesSettings()
    log: LogSettings = LogSettings()
    server: ServerSettings = Field(default_factory=ServerSettings)

    @model_validator(mode="after")
    def _times_agree(self) -> Self:
        self.server.agree_with(statement_timeout=self.database.statement_timeout)
        return self
