"""Settings of the server: `APP_SERVER__BIND` and so on. Times are in seconds, sizes in bytes.

chassis/docs/operations.md shows how the times depend on each other.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, Self

from pydantic import Field, PlainValidator, field_validator, model_validator
from pydantic_settings import NoDecode

from chassis.connections import ConnectionSettings
from chassis.server._cpus import available_cpus
from chassis.settings import SplitCommas
from chassis.tls import TLSSettings


def _proxy(value: object) -> object:
    try:
        return value if value == "unix" else ip_network(str(value))
    except ValueError as error:
        if "host bits" in str(error):
            raise
        raise ValueError(f'{value!r} is not an address, a network, or "unix"') from None


Proxy = Annotated[IPv4Network | IPv6Network | Literal["unix"], PlainValidator(_proxy)]


class ServerSettings(ConnectionSettings):
    bind: str = Field(default="127.0.0.1:8000", pattern=r"^(\S+:\d{1,5}|unix:\S+|fd://\d+)$")
    """`host:port`, `[host]:port`, `unix:/path` or `fd://number`. Containers need `0.0.0.0:8000`."""
    workers: int = Field(default_factory=available_cpus, ge=1)
    """Worker processes. Default: the number of whole CPUs that this container may use."""
    tls: TLSSettings | None = None
    trusted_proxies: Annotated[tuple[Proxy, ...], NoDecode, SplitCommas] = ()
    """Proxies whose `X-Forwarded-For` and `-Proto` are trusted: addresses, networks, `unix` (a Unix socket's peer)."""

    deadline: float = Field(default=10, gt=0)
    """Time until a response must start. After it the request and its query are cancelled: 504."""

    drain: float = Field(default=5, ge=0)
    """How long requests are served after SIGTERM while `/readyz` returns 503, so that load balancers notice."""
    lame_duck: float = Field(default=1, ge=0)
    """How long, after the drain, no new connection is accepted and each response closes its connection."""
    graceful_shutdown: int = Field(default=15, ge=1)
    """How long active requests may take after the lame duck phase before they are cancelled."""
    graceful_timeout: int = Field(default=25, ge=1)
    """How long after SIGTERM the master kills a worker that is still running."""
    grace_period: int = Field(default=30, ge=1)
    """How long the orchestrator waits before it kills. Kubernetes: 30 s. Docker: 10 s, so set `--stop-timeout 30`."""
    timeout: int = Field(default=30, ge=3)
    """How long an event loop may be blocked before its worker is replaced and the traceback logged."""

    max_requests: int = Field(default=0, ge=0)
    """Requests after which a worker is replaced, as a remedy for slow leaks. 0: never."""
    max_requests_jitter: int = Field(default=0, ge=0)
    """A random number up to this is added, so that workers are not replaced all at once."""
    max_concurrency: int = Field(default=256, ge=1)
    """Concurrent requests in each worker. Further requests get a 503, except probes."""
    max_body_size: int = Field(default=1024 * 1024, ge=0)
    """The largest request body; a larger one gets a 413. A route can set its own: `max_body_size=`."""

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, proxies: tuple[Proxy, ...]) -> tuple[Proxy, ...]:
        if any(proxy != "unix" and proxy.prefixlen == 0 for proxy in proxies):
            raise ValueError(
                "must not be a network of all addresses: then any client could set the address that is logged"
            )
        return proxies

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
        """Compare with a setting of the database. Raises ValueError."""
        _below("APP_DATABASE__STATEMENT_TIMEOUT", statement_timeout, "APP_SERVER__DEADLINE", self.deadline)


def _below(lower_name: str, lower: float, upper_name: str, upper: float) -> None:
    if lower >= upper:
        raise ValueError(f"{lower_name} ({lower:g} s) must be less than {upper_name} ({upper:g} s)")
