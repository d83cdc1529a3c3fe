"""Retries for transient failures: exponential backoff with full jitter, within the deadline and a retry budget.

Retried are connections that fail or break, invalid HTTP, and responses with a status that means "try again later".
Timeouts are not: they have used up their time, and a second request would add load to a slow server.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import structlog
from httpx2 import ConnectError, ConnectTimeout, ReadError, RemoteProtocolError, WriteError

log = structlog.stdlib.get_logger("chassis.retries")

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, section 9.2.2.
RETRYABLE_ERRORS = (ConnectError, ConnectTimeout, ReadError, RemoteProtocolError, WriteError)
RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})
INITIAL_BACKOFF, MAX_BACKOFF = 0.1, 1.0  # Seconds. Each attempt doubles the backoff, and jitter draws from 0 to it.


class Response(NamedTuple):
    status: int
    content: bytes
    retry_after: str | None


class RetryBudget:
    """A token bucket: each call adds `ratio` tokens, each retry takes one. It is full at the start."""

    CAPACITY = 10.0

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._tokens = self.CAPACITY

    def deposit(self) -> None:
        self._tokens = min(self._tokens + self._ratio, self.CAPACITY)

    def withdraw(self) -> bool:
        """Take a token for a retry; False if there is none."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True)
class Retries:
    upstream: str
    attempts: int
    budget: RetryBudget

    async def run(self, send: Callable[[], Awaitable[Response]], ends_at: float) -> Response:
        """Send until a response is final or no retry is left. Then return the last response, or raise the last error.

        `ends_at` is a time of the event loop. A wait that would last until then is not begun.
        """
        self.budget.deposit()
        attempt = 1
        while True:
            try:
                response = await send()
            except RETRYABLE_ERRORS as error:
                wait = self._wait(attempt, ends_at, f"{type(error).__name__}: {error}")
                if wait is None:
                    raise
            else:
                if response.status not in RETRYABLE_STATUSES:
                    return response
                requested = parse_retry_after(response.retry_after)
                wait = self._wait(attempt, ends_at, f"status {response.status}", requested)
                if wait is None:
                    return response
            await asyncio.sleep(wait)
            attempt += 1

    def _wait(self, attempt: int, ends_at: float, reason: str, requested: float = 0) -> float | None:
        backoff = min(INITIAL_BACKOFF * 2 ** (attempt - 1), MAX_BACKOFF)
        wait = requested + random.uniform(0, backoff)  # noqa: S311 - Jitter spreads load; it protects no secret.
        if attempt >= self.attempts or asyncio.get_running_loop().time() + wait >= ends_at:
            return None
        if not self.budget.withdraw():
            log.warning("retry budget exhausted", upstream=self.upstream, reason=reason)
            return None
        log.warning("retrying upstream call", upstream=self.upstream, reason=reason, wait=round(wait, 3))
        return wait


def parse_retry_after(value: str | None) -> float:
    """Return seconds from a `Retry-After` header, which holds seconds or a date; 0 if it is missing or invalid."""
    if not value:
        return 0
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0)
    except (ValueError, TypeError):  # Not a date, or a date without a time zone.
        return 0
