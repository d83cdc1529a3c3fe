"""An order's amount in other currencies: an example of a route that calls another service."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from chassis.database import Pool
from chassis.errors import problems
from chassis.upstreams import UpstreamFailed, UpstreamTimeout, UpstreamUnavailable
from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.exchange_rates.client import ExchangeRates, fetch_rates
from app.orders import service
from app.orders.errors import OrderNotFound
from app.orders.schemas import DECIMALS, Currency

router = APIRouter(prefix="/v1/orders", tags=["orders"])

Currencies = Annotated[list[Currency], Query(alias="currency", min_length=1, max_length=10)]


class ConvertedAmount(BaseModel):
    amount: Decimal
    currency: str


FAILURES = problems(OrderNotFound, UpstreamFailed, UpstreamTimeout, UpstreamUnavailable)


@router.get("/{order_id}/amount", responses=FAILURES)
async def convert_amount(
    order_id: UUID, currencies: Currencies, pool: Pool, rates: ExchangeRates
) -> list[ConvertedAmount]:
    # The statement has returned its connection before the call, so none waits for another service.
    order = await service.get(pool, order_id)
    by_currency = await fetch_rates(rates, order.currency, currencies)
    return [
        ConvertedAmount(amount=rounded(order.amount * by_currency[each], each), currency=each) for each in currencies
    ]


def rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-DECIMALS[currency]))
