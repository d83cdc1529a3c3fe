"""Settings of connections. They are part of the server's: `APP_SERVER__HEAD_TIMEOUT` and so on."""

from importlib.util import find_spec
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from typing import Self

from pydantic import Field, model_validator

from chassis.settings import SettingsGroup

MOST = 4096
"""An idle connection costs a worker some 14 kB (900 of them, by the memory of the process), so this many cost 56 MB."""


def available_connections() -> int:
    """Three quarters of the descriptors that a process may open, at most 4,096: pools and files need the others."""
    descriptors, _ = getrlimit(RLIMIT_NOFILE)
    return MOST if descriptors == RLIM_INFINITY else max(1, min(MOST, descriptors * 3 // 4))


class ConnectionSettings(SettingsGroup):
    http2: bool = False
    """Offer HTTP/2 by ALPN. uvicorn's support is new, and needs a package: `uv add zttp`."""
    max_connections: int = Field(default_factory=available_connections, ge=1)
    """Open connections in each worker. Beyond them the idle ones close. Default: 3/4 of `ulimit -n`, at most 4,096."""
    keep_alive: int = Field(default=75, ge=1)
    """How long an idle connection stays open. Keep it above the load balancer's (often 60 s), or that returns 502s."""
    head_timeout: float = Field(default=10, gt=0)
    """Time for a TLS handshake, and for a request line and headers, from the connection or from their first byte."""
    write_timeout: int = Field(default=20, ge=1)
    """How long a client may read nothing of what was sent, before its connection is closed."""
    max_head_size: int = Field(default=32 * 1024, ge=1024)
    """The largest request line and headers together; larger ones get a 431."""
    max_headers: int = Field(default=100, ge=1)
    """The most header fields of a request; more get a 431."""
    max_pipeline: int = Field(default=100, ge=1)
    """Requests of one HTTP/1.1 connection, or streams of one HTTP/2 connection, that may wait for a response."""

    @model_validator(mode="after")
    def _http2_has_a_parser(self) -> Self:
        if self.http2 and find_spec("zttp") is None:
            raise ValueError("HTTP2 needs the package zttp, which is not installed: uv add zttp")
        return self
