"""An order's amount in other currencies, with a stand-in for the rates API in every scenario."""

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest
from chassis.server import ServerSettings
from fastapi import FastAPI
from httpx2 import AsyncClient
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from app.exchange_rates.schemas import Rates
from app.lifespan import State
from app.main import create_app
from app.orders.amounts import rounded
from app.orders.schemas import DECIMALS
from app.settings import Settings
from tests.factories import new_order
from tests.rates_api import RatesAPI


@pytest.fixture
def short_timeouts() -> bool:
    return False


@pytest.fixture
def settings(settings: Settings, rates_api: RatesAPI, short_timeouts: bool) -> Settings:
    return rates_api.called_by(settings, short_timeouts=short_timeouts)


async def amount_path(client: AsyncClient, **values: str) -> str:
    answer = await client.post("/v1/orders", json=new_order(**values))
    return f"{answer.headers['Location']}/amount"


async def test_an_amount_in_several_currencies(client: AsyncClient, rates_api: RatesAPI) -> None:
    path = await amount_path(client, amount="10.01", currency="EUR")
    answer = await client.get(path, params={"currency": ["GBP", "JPY", "EUR"]})
    assert answer.status_code == 200
    assert answer.json() == [
        {"amount": "8.01", "currency": "GBP"},
        {"amount": "1604", "currency": "JPY"},
        {"amount": "10.01", "currency": "EUR"},
    ]
    assert {request.query_params["symbols"] for request in rates_api.requests} == {"GBP", "JPY"}


async def test_several_currencies_take_the_time_of_one(client: AsyncClient, rates_api: RatesAPI) -> None:
    rates_api.scenario = "slow"
    path = await amount_path(client)
    asked = asyncio.create_task(client.get(path, params={"currency": ["GBP", "JPY", "USD"]}))
    async with asyncio.timeout(20):  # If the calls were sequential, the second would not come.
        while len(rates_api.requests) < 3:
            await asyncio.sleep(0.01)
    asked.cancel()
    await asyncio.wait([asked])


@pytest.mark.parametrize("short_timeouts", [True])
@pytest.mark.parametrize("scenario", ["slow", "drip"])
async def test_a_slow_upstream_is_a_problem_in_time(client: AsyncClient, rates_api: RatesAPI, scenario: str) -> None:
    path = await amount_path(client)
    rates_api.scenario = scenario
    async with asyncio.timeout(20):
        answer = await client.get(path, params={"currency": ["GBP", "JPY"]})
    assert (answer.status_code, answer.json()["type"]) == (504, "/problems/upstream-timeout")


@pytest.mark.parametrize(
    "scenario",
    [
        *("endless", "garbage", "wrong", "negative", "huge", "other", "broken", "busy", "redirect"),
        *("unauthorized", "forbidden", "rate limited"),
    ],
)
async def test_a_failing_upstream_is_a_problem(client: AsyncClient, rates_api: RatesAPI, scenario: str) -> None:
    path = await amount_path(client)
    rates_api.scenario = scenario
    answer = await client.get(path, params={"currency": ["GBP", "JPY"]})
    assert (answer.status_code, answer.json()["type"]) == (502, "/problems/upstream-failed")


async def test_the_circuit_breaker_opens(client: AsyncClient, rates_api: RatesAPI) -> None:
    path = await amount_path(client)
    rates_api.scenario = "broken"
    answers = [await client.get(path, params={"currency": "GBP"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [502] * 5 + [503]
    assert answers[-1].json()["type"] == "/problems/upstream-unavailable"
    assert answers[-1].headers["Retry-After"] == "5"
    assert len(rates_api.requests) == 5


class TestShortRequests:
    @pytest.fixture
    def app(self, settings: Settings) -> FastAPI:
        return create_app(settings.model_copy(update={"server": ServerSettings(deadline=2)}))

    async def test_a_call_ends_before_the_request_it_serves(self, client: AsyncClient, rates_api: RatesAPI) -> None:
        path = await amount_path(client)
        rates_api.scenario = "slow"
        answer = await client.get(path, params={"currency": "GBP"})
        assert answer.status_code == 504
        [request] = rates_api.requests
        assert int(request.headers["X-Envoy-Expected-Rq-Timeout-Ms"]) <= 1950


async def test_the_call_holds_no_database_connection(
    committing_client: AsyncClient, committed: State, rates_api: RatesAPI
) -> None:
    rates_api.scenario = "a while"
    path = await amount_path(committing_client)
    asked = asyncio.create_task(committing_client.get(path, params={"currency": "GBP"}))
    while not rates_api.requests:
        await asyncio.sleep(0.01)
    assert "Current Checked out connections: 0" in committed["database"].engine.pool.status()
    assert (await asked).status_code == 200


@pytest.mark.parametrize("scenario", ["not found", "invalid"])
async def test_a_rate_that_does_not_exist(client: AsyncClient, rates_api: RatesAPI, scenario: str) -> None:
    rates_api.scenario = scenario
    answer = await client.get(await amount_path(client), params={"currency": "CLF"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/rate-unavailable")


@pytest.mark.parametrize("currencies", [[], ["EURO"], ["eur"], ["EUR"] * 11])
async def test_wrong_currencies_are_rejected(client: AsyncClient, currencies: list[str]) -> None:
    answer = await client.get(await amount_path(client), params={"currency": currencies})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/query/currency")


async def test_an_order_that_does_not_exist(client: AsyncClient, rates_api: RatesAPI) -> None:
    answer = await client.get(f"/v1/orders/{uuid4()}/amount", params={"currency": "GBP"})
    assert answer.status_code == 404
    assert rates_api.requests == []


@given(st.decimals(0, 10**15, places=4), st.sampled_from(sorted(DECIMALS)))
def test_a_rounded_amount_has_the_decimals_of_its_currency(amount: Decimal, currency: str) -> None:
    result = rounded(amount, currency)
    assert -int(result.as_tuple().exponent) == DECIMALS[currency]
    assert abs(result - amount) <= Decimal(1).scaleb(-DECIMALS[currency]) / 2


@given(
    st.sampled_from(["0.0001", "999999999999999.9999"]).map(Decimal),
    st.sampled_from(["1E-12", "999999.9999", "999999999.9999", "999999999999.9999"]) | st.decimals(0, 10**12).map(str),
    st.sampled_from(["JPY", "EUR", "KWD", "CLF"]),  # 0, 2, 3 and 4 decimals.
)
def test_an_accepted_rate_converts_every_amount(amount: Decimal, rate: str, currency: str) -> None:
    try:
        rates = Rates.model_validate({"base": "EUR", "rates": {currency: rate}})
    except ValidationError:
        reject()
    assert -int(rounded(amount * rates.rates[currency], currency).as_tuple().exponent) == DECIMALS[currency]
