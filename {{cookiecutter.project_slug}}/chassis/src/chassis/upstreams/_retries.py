"""Sending again what failed for a moment: with full jitter, within the deadline, and out of a budget.

A connection that fails, breaks or carries garbage is worth another attempt, as is the answer of a server that is busy.
A timeout is not: its time is gone, and a slow server gets no faster by being asked twice.
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

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, section 9.2.2.
TRANSIENT = (ConnectError, ConnectTimeout, ReadError, RemoteProtocolError, WriteError)
BUSY = frozenset({429, 502, 503, 504})
FIRST_WINDOW, LAST_WINDOW = 0.1, 1.0  # Seconds from which a wait is drawn; the window doubles with each attempt.


class Answer(NamedTuple):
    status: int
    content: bytes
    retry_after: str | None


class RetryBudget:
    """In the long run retries add `share` to the calls, and never more than RESERVE at once."""

    RESERVE = 10.0

    def __init__(self, share: float) -> None:
        self._share = share
        self._tokens = self.RESERVE

    def earn(self) -> None:
        self._tokens = min(self._tokens + self._share, self.RESERVE)

    def spend(self) -> bool:
        """Take a retry, if there is one left."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True)
class Retries:
    upstream: str
    attempts: int
    budget: RetryBudget

    async def run(self, send: Callable[[], Awaitable[Answer]], ends: float) -> Answer:
        """Send until there is an answer, or nothing left to try with; the last outcome is returned or raised.

        No wait is begun that would last until `ends`, in the event loop's time.
        """
        self.budget.earn()
        attempt = 1
        while True:
            try:
                answer = await send()
            except TRANSIENT as error:
                wait = self._wait(attempt, ends, f"{type(error).__name__}: {error}")
                if wait is None:
                    raise
            else:
                busy, asked = answer.status in BUSY, seconds(answer.retry_after)
                wait = self._wait(attempt, ends, f"status {answer.status}", asked) if busy else None
                if wait is None:
                    return answer
            await asyncio.sleep(wait)
            attempt += 1

    def _wait(self, attempt: int, ends: float, reason: str, asked: float = 0) -> float | None:
        window = min(FIRST_WINDOW * 2 ** (attempt - 1), LAST_WINDOW)
        wait = asked + random.uniform(0, window)  # noqa: S311 - It spreads load, and keeps no secret.
        if attempt >= self.attempts or asyncio.get_running_loop().time() + wait >= ends:
            return None
        if not self.budget.spend():
            log.warning("retry budget is spent", upstream=self.upstream, reason=reason)
            return None
        log.warning("upstream call is tried again", upstream=self.upstream, reason=reason, wait=round(wait, 3))
        return wait


def seconds(retry_after: str | None) -> float:
    """Read `Retry-After`, a number of seconds or a date; what is neither asks for nothing."""
    if not retry_after:
        return 0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0)
    except (ValueError, TypeError):  # No date, or one without a time zone.
        return 0
