"""What can be set about the database: `APP_DATABASE__URL` and so on. Times are in seconds."""

from typing import Self

from pydantic import Field, SecretStr, field_validator

from chassis.database._url import normalized
from chassis.settings import SettingsGroup


class DatabaseSettings(SettingsGroup):
    url: SecretStr
    """`postgresql://user@host:5432/name`; `postgres://`, `postgresql+asyncpg://` and `?sslmode=` work too."""
    password: SecretStr | None = None
    """The password, if it does not stand in the URL. Best given as the file `/run/secrets/app_database__password`."""
    direct_url: SecretStr | None = None
    """Where migrations run, if `url` goes through a pooler. Default: `url`."""
    read_url: SecretStr | None = None
    """A read replica, for what may be a moment old; the password is the same. Default: `url`."""
    pgbouncer: bool = False
    """Whether `url` leads to a PgBouncer in transaction mode, or a pooler like it."""
    pool_size: int = Field(default=20, ge=1)
    """Connections that each worker may hold; there is no overflow."""
    replicas: int = Field(default=1, ge=1)
    """How many of this service share the database: a start warns if it has not enough connections for all."""
    pool_timeout: float = Field(default=1.0, gt=0)
    """How long a request waits for a connection before it is answered with 503, in seconds."""
    connect_timeout: float = Field(default=2.0, gt=0)
    """How long a new connection may take, in seconds."""
    statement_timeout: float = Field(default=5.0, gt=0)
    """How long one statement may take before it is cancelled, in seconds."""
    idempotency_expiry: int = Field(default=86_400, gt=0)
    """How long an answer is kept for a client that repeats its `Idempotency-Key`, in seconds."""

    @field_validator("url", "direct_url", "read_url")
    @classmethod
    def _normalized(cls, url: SecretStr) -> SecretStr:
        return SecretStr(normalized(url.get_secret_value()))

    def direct(self) -> Self:
        """Return the settings of a connection that need not pass the pooler, and may take its time."""
        pooled = self.pgbouncer and self.direct_url is None
        values = {"url": self.direct_url or self.url, "pgbouncer": pooled, "statement_timeout": 0}
        return self.model_copy(update=values)
