"""A stand-in for the public rates API."""

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar

import pytest
from chassis.testing import StandIn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

RATES = {"EUR": Decimal(1), "GBP": Decimal("0.80"), "JPY": Decimal("160.25"), "USD": Decimal("1.10")}


def document(request: Request, rates: dict[str, float]) -> Response:
    return JSONResponse({"amount": 1.0, "base": request.query_params["base"], "rates": rates})


class RatesAPI(StandIn):
    upstream = "exchange_rates"
    path = "/v1/latest"
    scenarios: ClassVar = {
        "negative": lambda request: document(request, {request.query_params["symbols"]: -1}),
        "huge": lambda request: document(request, {request.query_params["symbols"]: 999_999_999_999}),
        "invalid": lambda _: JSONResponse({"message": "invalid currency code"}, status_code=422),
        "other": lambda request: document(request, {"XYZ": 1}),
    }

    def good(self, request: Request) -> Response:
        base, quote = request.query_params["base"], request.query_params["symbols"]
        rate = RATES.get(quote, Decimal(2)) / RATES.get(base, Decimal(2))
        return document(request, {quote: float(rate)})


@pytest.fixture(scope="session")
def rates_server() -> Iterator[RatesAPI]:
    with RatesAPI.running() as api:
        yield api


@pytest.fixture
def rates_api(rates_server: RatesAPI) -> RatesAPI:
    rates_server.reset()
    return rates_server
