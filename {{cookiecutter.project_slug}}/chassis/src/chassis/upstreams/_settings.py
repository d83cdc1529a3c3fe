"""Settings of the calls to one upstream. Times are in seconds, sizes in bytes."""

import ssl
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Self

import httpx2
from pydantic import AfterValidator, Field, HttpUrl, Secret, SecretStr, model_validator

from chassis.settings import SettingsGroup


def _file(path: Path) -> Path:
    with suppress(OSError):  # The path is too long, for example a certificate in place of its path.
        if path.is_file():
            return path
    raise ValueError("is not the path of a file")


File = Annotated[Path, AfterValidator(_file)]


@cache
def _system_context() -> ssl.SSLContext:
    """Share one context: reading the system's authorities for each upstream would take most of the start."""
    return httpx2.create_ssl_context()


class UpstreamTLS(SettingsGroup):
    """Files are read at the start. Reload the service after you replace a certificate."""

    ca_certs: File | None = None
    """The authorities that may sign the upstream's certificate, PEM. Default: those that the system trusts."""
    certfile: File | None = None
    """Our own certificate for mutual TLS, followed by intermediate certificates, PEM."""
    keyfile: File | None = None
    """Its private key, PEM. Default: in `certfile`."""
    keyfile_password: SecretStr | None = None
    """The password of an encrypted key. Preferably a file in `/run/secrets`."""

    @model_validator(mode="after")
    def _can_be_loaded(self) -> Self:
        if self.ca_certs or self.certfile:
            try:
                self.context()
            except OSError as error:
                raise ValueError(f"CA_CERTS, CERTFILE or KEYFILE: {error}") from error
        return self

    def context(self) -> ssl.SSLContext:
        if not self.ca_certs and not self.certfile:
            return _system_context()
        context = ssl.create_default_context(cafile=self.ca_certs)
        if self.certfile:
            # Without this callback OpenSSL would ask for a password on the terminal.
            password = self.keyfile_password.get_secret_value() if self.keyfile_password else ""
            context.load_cert_chain(self.certfile, self.keyfile, lambda: password)
        return context


class UpstreamSettings(SettingsGroup):
    base_url: HttpUrl
    deadline: float = Field(default=3.0, gt=0)
    """Time limit for a call with all its attempts. The deadline of the request that makes it can be earlier."""
    connect_timeout: float = Field(default=1.0, gt=0)
    """Time limit for a new connection."""
    read_timeout: float = Field(default=2.0, gt=0)
    """Time limit for each read. A response that comes in small pieces can stay below it: `DEADLINE` limits it."""
    write_timeout: float = Field(default=2.0, gt=0)
    """Time limit for each write."""
    pool_timeout: float = Field(default=0.5, gt=0)
    """Time limit for the wait for a free connection. After it the client gets a 503."""
    max_connections: int = Field(default=100, ge=1)
    """Connections to this upstream in each worker, and so the most concurrent calls."""
    max_response_size: int = Field(default=1_048_576, ge=1)
    """The largest response that is read."""
    attempts: int = Field(default=3, ge=1, le=10)
    """The most attempts for an idempotent call. 1: no retries."""
    retry_ratio: float = Field(default=0.1, ge=0, le=1)
    """Retries for each call in the long run. 0.1: a failing upstream gets 10 % more requests, not 3 times as many."""
    breaker_failure_threshold: int = Field(default=5, ge=1)
    """Consecutive failures that open the circuit breaker."""
    breaker_reset_timeout: float = Field(default=5.0, gt=0)
    """How long an open circuit breaker sends nothing before it sends a probe."""
    proxy: Secret[HttpUrl] | None = None
    """`http://user:password@host:3128`. Default: from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`."""
    tls: UpstreamTLS = UpstreamTLS()
