"""Calls to other services: one client for each upstream, opened by the lifespan and shared by all requests.

    call ─▶ circuit breaker ─▶ deadline ─▶ retries ─▶ connection pool ─▶ upstream
                  │                │           │              └ no free connection within `pool_timeout`: 503
                  │                │           └ idempotent methods only, with jitter, limited by a retry budget
                  │                └ the upstream's own, or the time left for the request if that is less: 504
                  └ opens after consecutive failures: 503 at once, then a single probe

The breaker is outermost, so that a missed deadline counts as a failure and a disconnected client does not.

ServiceError
 ├─ UpstreamFailed       502: no connection, a broken or invalid response, an unexpected status
 ├─ UpstreamTimeout      504: no complete response in time
 └─ UpstreamUnavailable  503: no request was sent, because the breaker is open or the connection pool is full
"""

from chassis.upstreams._client import Upstream, UpstreamFailed, UpstreamTimeout, UpstreamUnavailable
from chassis.upstreams._settings import UpstreamSettings, UpstreamTLS

__all__ = [
    "Upstream",
    "UpstreamFailed",
    "UpstreamSettings",
    "UpstreamTLS",
    "UpstreamTimeout",
    "UpstreamUnavailable",
]
