"""Rates from the exchange rates API, and the headers of a call."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from chassis import logs
from chassis.upstreams import Upstream, UpstreamFailed
from opentelemetry.sdk.trace import TracerProvider

from app.exchange_rates.client import fetch_rate, fetch_rates
from app.exchange_rates.errors import RateUnavailable
from app.settings import Settings
from tests.rates_api import RatesAPI


@pytest.fixture
def settings(settings: Settings, rates_api: RatesAPI) -> Settings:
    return rates_api.called_by(settings)


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    async with Upstream.open("exchange-rates", settings.exchange_rates) as upstream:
        yield upstream


async def test_a_rate(upstream: Upstream) -> None:
    assert await fetch_rate(upstream, "EUR", "GBP") == Decimal("0.8")


async def test_a_currency_in_itself_needs_no_call(upstream: Upstream, rates_api: RatesAPI) -> None:
    assert await fetch_rates(upstream, "EUR", ["EUR"]) == {"EUR": Decimal(1)}
    assert rates_api.requests == []


async def test_a_currency_that_is_asked_for_twice_is_fetched_once(upstream: Upstream, rates_api: RatesAPI) -> None:
    await fetch_rates(upstream, "EUR", ["GBP", "USD", "GBP"])
    assert len(rates_api.requests) == 2


async def test_one_failure_is_raised_as_itself(upstream: Upstream, rates_api: RatesAPI) -> None:
    rates_api.scenario = "not found"
    with pytest.raises(RateUnavailable, match="EUR to"):
        await fetch_rates(upstream, "EUR", ["GBP", "CLF"])


async def test_calls_share_connections(upstream: Upstream, rates_api: RatesAPI) -> None:
    for _ in range(3):
        await fetch_rate(upstream, "EUR", "GBP")
    assert len({request.client for request in rates_api.requests}) == 1


async def test_the_request_id_and_the_trace_are_sent(upstream: Upstream, rates_api: RatesAPI) -> None:
    logs.request_id.set("r-7")
    with TracerProvider().get_tracer("test").start_as_current_span("call") as span:
        await fetch_rate(upstream, "EUR", "GBP")
    [request] = rates_api.requests
    assert request.headers["X-Request-ID"] == "r-7"
    assert format(span.get_span_context().trace_id, "032x") in request.headers["traceparent"]


async def test_an_upstream_that_is_down(settings: Settings) -> None:
    down = settings.exchange_rates.model_copy(update={"base_url": "http://127.0.0.1:1/"})
    async with Upstream.open("exchange-rates", down) as upstream:
        with pytest.raises(UpstreamFailed):
            await fetch_rate(upstream, "EUR", "GBP")
