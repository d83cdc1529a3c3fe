"""Calls to other services: one client for each upstream, opened by the lifespan and shared by all requests.

    call ─▶ breaker ─▶ deadline ─▶ retries ─▶ pool ─▶ upstream
               │           │          │         └ a free connection within `pool_timeout`, or 503
               │           │          └ idempotent methods only, with jitter, out of a budget
               │           └ its own, or what is left of the request's if that is less: 504
               └ open after failures in a row: 503 at once, then one probe

The breaker stands outermost: to it a deadline that passes is a failure, and a client that gives up is not.

ServiceError
 ├─ UpstreamFailed       502: no connection, a broken or invalid answer, an unexpected status
 ├─ UpstreamTimeout      504: no whole answer in time
 └─ UpstreamUnavailable  503: not asked, because the circuit is open or the pool is full
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
