"""The example of an upstream: a public API with daily exchange rates."""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from chassis.upstreams import Upstream, UpstreamFailed
from fastapi import Depends, Request

from app.exchange_rates.errors import RateUnavailable
from app.exchange_rates.schemas import Rates


def _upstream(request: Request) -> Upstream:
    upstream: Upstream = request.state.exchange_rates
    return upstream


ExchangeRates = Annotated[Upstream, Depends(_upstream)]


async def fetch_rate(upstream: Upstream, base: str, quote: str) -> Decimal:
    """Return the price of one unit of `base` in `quote`."""
    if base == quote:
        return Decimal(1)
    unavailable = RateUnavailable(f"There is no rate from {base} to {quote}")
    params = {"base": base, "symbols": quote}
    # 404: the API has no such currency. 422: it does not recognize the code.
    on_status = {404: unavailable, 422: unavailable}
    answer = await upstream.call("GET", "latest", Rates, params=params, on_status=on_status)
    if answer.base != base or quote not in answer.rates:
        raise UpstreamFailed(upstream.name)
    return answer.rates[quote]


async def fetch_rates(upstream: Upstream, base: str, quotes: Iterable[str]) -> dict[str, Decimal]:
    """Fetch the rates concurrently. The first failure cancels the other calls."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {quote: group.create_task(fetch_rate(upstream, base, quote)) for quote in set(quotes)}
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return {quote: task.result() for quote, task in tasks.items()}
