from chassis.database import DatabaseSettings
from chassis.settings import EnvironmentSettings


class Settings(EnvironmentSettings):
    """One of each: without a default, with one, and the database's."""

    key: str
    size: int = 5
    database: DatabaseSettings
