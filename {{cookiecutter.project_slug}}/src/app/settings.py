"""What can be configured. A variable is `APP_` and the path of a field, joined by `__`: `APP_DATABASE__URL`.

A value may also stand in a file of `/run/secrets` that has the variable's name in lower case. Times are in seconds.
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
    """The rates of https://frankfurter.dev, or of a copy of your own."""


class Settings(EnvironmentSettings):
    environment: Literal["development", "staging", "production"] = "production"
    """Where this runs. All but `development` warn at the start that nothing asks who is calling."""
    docs: bool = True
    """Whether `/docs` and `/openapi.json` are there."""
    cors_origins: Annotated[tuple[str, ...], NoDecode, SplitCommas] = ()
    """Origins whose pages may call this service: `https://a.example,https://b.example`."""

    database: DatabaseSettings
    exchange_rates: ExchangeRatesSettings = ExchangeRatesSettings()
    log: LogSettings = LogSettings()
    server: ServerSettings = Field(default_factory=ServerSettings)

    @model_validator(mode="after")
    def _times_agree(self) -> Self:
        self.server.agree_with(statement_timeout=self.database.statement_timeout)
        return self
