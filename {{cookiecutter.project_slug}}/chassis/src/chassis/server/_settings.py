"""What can be set about the server: `APP_SERVER__BIND` and so on. Times are in seconds, sizes in bytes.

chassis/docs/operations.md draws the times on a line.
"""

from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from chassis.server._cpus import available_cpus
from chassis.settings import SettingsGroup, SplitCommas
from chassis.tls import TLSSettings

Proxy = IPv4Network | IPv6Network | Literal["unix"]


class ServerSettings(SettingsGroup):
    bind: str = Field(default="127.0.0.1:8000", pattern=r"^(\S+:\d{1,5}|unix:\S+|fd://\d+)$")
    """`host:port`, `[host]:port`, `unix:/path` or `fd://number`. Containers need `0.0.0.0:8000`."""
    workers: int = Field(default_factory=available_cpus, ge=1)
    """Processes that serve. Default: the whole CPUs that this container may use."""
    http2: bool = False
    """Offer HTTP/2 by ALPN. uvicorn's support is young, and needs a package: `uv add zttp`."""
    tls: TLSSettings | None = None
    trusted_proxies: Annotated[tuple[Proxy, ...], NoDecode, SplitCommas] = ()
    """Whose `X-Forwarded-For` and `-Proto` are believed: addresses, networks, `unix` for a Unix socket's peer."""

    deadline: float = Field(default=10, gt=0)
    """Until a response starts. Then the work is cancelled, its query too, and the client gets a 504."""
    keep_alive: int = Field(default=75, ge=1)
    """How long an idle connection stays. Above the load balancer's own 60 s, or it reuses closed ones: 502s."""
    head_timeout: float = Field(default=10, gt=0)
    """Until a new connection's, or a begun, request line and headers are complete."""

    drain: float = Field(default=5, ge=0)
    """Served on after SIGTERM, while `/readyz` says 503: the time a load balancer needs to notice."""
    lame_duck: float = Field(default=1, ge=0)
    """After the drain no new connection is taken, and each response closes its own, for so long."""
    graceful_shutdown: int = Field(default=15, ge=1)
    """What is still at work then may take so long, and is cancelled."""
    graceful_timeout: int = Field(default=25, ge=1)
    """The master kills a worker that has not left so long after SIGTERM."""
    grace_period: int = Field(default=30, ge=1)
    """The orchestrator's patience. Kubernetes' is 30 s; Docker's is 10 s: give it `--stop-timeout 30`."""
    timeout: int = Field(default=30, ge=3)
    """A worker whose event loop is blocked for so long is replaced, and its traceback logged."""

    max_requests: int = Field(default=0, ge=0)
    """A worker is replaced after so many requests, against slow leaks. 0: never."""
    max_requests_jitter: int = Field(default=0, ge=0)
    """Up to so many more, so that workers do not leave together."""
    max_concurrency: int = Field(default=256, ge=1)
    """Requests at work at once in each worker; the next gets 503. Probes are exempt."""
    max_body_size: int = Field(default=1024 * 1024, ge=0)
    """A larger body gets 413. A route can have its own: `max_body_size=`."""
    max_head_size: int = Field(default=32 * 1024, ge=1024)
    """Request line and headers together; more gets 431."""
    max_headers: int = Field(default=100, ge=1)
    """Header fields of a request; more gets 431."""

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, proxies: tuple[Proxy, ...]) -> tuple[Proxy, ...]:
        if any(proxy != "unix" and proxy.prefixlen == 0 for proxy in proxies):
            raise ValueError("a network of all addresses lets every client choose the address that is logged")
        return proxies

    @model_validator(mode="after")
    def _http2_has_a_parser(self) -> Self:
        if self.http2 and find_spec("zttp") is None:
            raise ValueError("HTTP2 needs a package that is not installed: uv add zttp")
        return self

    @model_validator(mode="after")
    def _times_agree(self) -> Self:
        shutdown = self.lame_duck + self.graceful_shutdown
        _below("DEADLINE", self.deadline, "GRACEFUL_SHUTDOWN", self.graceful_shutdown)
        _below("LAME_DUCK + GRACEFUL_SHUTDOWN", shutdown, "TIMEOUT", self.timeout)
        stopping = "DRAIN + LAME_DUCK + GRACEFUL_SHUTDOWN"
        _below(stopping, self.drain + shutdown, "GRACEFUL_TIMEOUT", self.graceful_timeout)
        _below("GRACEFUL_TIMEOUT", self.graceful_timeout, "GRACE_PERIOD", self.grace_period)
        return self

    def agree_with(self, *, statement_timeout: float) -> None:
        """Compare with a time that is not the server's own; raises ValueError."""
        _below("APP_DATABASE__STATEMENT_TIMEOUT", statement_timeout, "APP_SERVER__DEADLINE", self.deadline)


def _below(lower_name: str, lower: float, upper_name: str, upper: float) -> None:
    if lower >= upper:
        raise ValueError(f"{lower_name} ({lower:g} s) must be less than {upper_name} ({upper:g} s)")
