"""The settings of the database, `APP_DATABASE__…`. Times are in seconds."""

from typing import Self

from pydantic import Field, SecretStr, field_validator

from chassis.database._url import normalized
from chassis.settings import SettingsGroup


class DatabaseSettings(SettingsGroup):
    url: SecretStr
    """`postgresql://user@host:5432/name`; `postgres://`, `postgresql+asyncpg://` and `?sslmode=` work too."""
    password: SecretStr | None = None
    """The password, if the URL has none. Best given as the file `/run/secrets/app_database__password`."""
    direct_url: SecretStr | None = None
    """The URL past a pooler, for migrations. Default: `url`."""
    read_url: SecretStr | None = None
    """A read replica, for `ReplicaPool`; it has the same password. Default: `url`."""
    pgbouncer: bool = False
    """Whether `url` is that of a PgBouncer in transaction mode, or of a similar pooler."""
    pool_size: int = Field(default=20, ge=1)
    """The most connections of each worker. There is no overflow."""
    replicas: int = Field(default=1, ge=1)
    """How many replicas of this service share the database. A start warns if it has too few connections for all."""
    pool_timeout: float = Field(default=1.0, gt=0)
    """How long a request waits for a connection before it gets 503."""
    connect_timeout: float = Field(default=2.0, gt=0)
    """How long a new connection may take."""
    statement_timeout: float = Field(default=5.0, gt=0)
    """How long one statement may take before PostgreSQL cancels it."""
    idempotency_expiry: int = Field(default=86_400, gt=0)
    """How long a response is stored for a client that repeats its `Idempotency-Key`."""

    @field_validator("url", "direct_url", "read_url")
    @classmethod
    def _normalized(cls, url: SecretStr) -> SecretStr:
        return SecretStr(normalized(url.get_secret_value()))

    def direct(self) -> Self:
        """Return the settings of a connection past the pooler, without a statement timeout."""
        pooled = self.pgbouncer and self.direct_url is None
        values = {"url": self.direct_url or self.url, "pgbouncer": pooled, "statement_timeout": 0}
        return self.model_copy(update=values)
