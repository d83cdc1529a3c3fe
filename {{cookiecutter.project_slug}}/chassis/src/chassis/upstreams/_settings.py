"""What can be set about the calls to one upstream. Times are in seconds, sizes in bytes."""

import ssl
from functools import cache
from typing import Self

import httpx2
from pydantic import Field, FilePath, HttpUrl, Secret, SecretStr, model_validator

from chassis.settings import SettingsGroup


@cache
def _trusting_the_system() -> ssl.SSLContext:
    """Return one context for all upstreams: reading some 150 authorities for each would take longer than all else."""
    return httpx2.create_ssl_context()


class UpstreamTLS(SettingsGroup):
    """Files are read at the start: a new certificate needs a reload."""

    ca_certs: FilePath | None = None
    """Who may sign the upstream's certificate, PEM. Default: whom the system trusts."""
    certfile: FilePath | None = None
    """Our own certificate for mutual TLS, and the intermediate ones after it, PEM."""
    keyfile: FilePath | None = None
    """Its private key, PEM. Default: it stands in `certfile`."""
    keyfile_password: SecretStr | None = None
    """The password of an encrypted key. Best given as a file of `/run/secrets`."""

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
            return _trusting_the_system()
        context = ssl.create_default_context(cafile=self.ca_certs)
        if self.certfile:
            # Without a password OpenSSL would ask the terminal for it.
            password = self.keyfile_password.get_secret_value() if self.keyfile_password else ""
            context.load_cert_chain(self.certfile, self.keyfile, lambda: password)
        return context


class UpstreamSettings(SettingsGroup):
    base_url: HttpUrl
    deadline: float = Field(default=3.0, gt=0)
    """The longest that a call may take with all its attempts; less, if the request it serves ends before."""
    connect_timeout: float = Field(default=1.0, gt=0)
    """How long a new connection may take."""
    read_timeout: float = Field(default=2.0, gt=0)
    """How long each wait for more may take; an answer that drips stays below it for ever."""
    write_timeout: float = Field(default=2.0, gt=0)
    """How long each write may take."""
    pool_timeout: float = Field(default=0.5, gt=0)
    """How long a call waits for a free connection before it is answered with 503."""
    max_connections: int = Field(default=100, ge=1)
    """Connections that each worker may hold to this upstream: more calls than that never wait on it at once."""
    max_response_size: int = Field(default=1_048_576, ge=1)
    """The largest answer that is read."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often an idempotent call is sent at most. 1: no retries."""
    retry_ratio: float = Field(default=0.1, ge=0, le=1)
    """Retries for each call in the long run: a dying upstream gets a tenth more calls, and not three times as many."""
    breaker_failure_threshold: int = Field(default=5, ge=1)
    """Calls that fail in a row until no more are sent."""
    breaker_reset_timeout: float = Field(default=5.0, gt=0)
    """How long none is sent, until one tries again."""
    proxy: Secret[HttpUrl] | None = None
    """`http://user:password@host:3128`. Default: what `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say."""
    tls: UpstreamTLS = UpstreamTLS()
