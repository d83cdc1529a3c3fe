from typing import Literal

from pydantic import Field, HttpUrl

from chassis.database import DatabaseSettings
from chassis.logs import LogSettings
from chassis.server import ServerSettings
from chassis.settings import EnvironmentSettings
from chassis.upstreams import UpstreamSettings


class ParcelsSettings(UpstreamSettings):
    base_url: HttpUrl = HttpUrl("https://parcels.invalid/")


class Settings(EnvironmentSettings):
    environment: Literal["development", "production"] = "production"
    database: DatabaseSettings
    log: LogSettings = LogSettings()
    parcels: ParcelsSettings = ParcelsSettings()
    server: ServerSettings = Field(default_factory=ServerSettings)
