import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

import iso4217
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from app.orders.models import OrderStatus

# Code to decimals. Codes without decimals, such as gold, are not for payments.
DECIMALS = {each.code: each.exponent for each in iso4217.Currency if each.exponent is not None}

_AMOUNT = r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$"


def _plain(value: Any) -> Decimal:
    # Most JSON readers turn a number into a float, which cannot be 0.1 exactly.
    if not isinstance(value, str) or not re.fullmatch(_AMOUNT, value):
        raise ValueError('must be a string in plain notation, such as "12.50"')
    return Decimal(value)


def _known(value: str) -> str:
    if value not in DECIMALS:
        raise ValueError('must be an ISO 4217 code, such as "EUR"')
    return value


Amount = Annotated[Decimal, BeforeValidator(_plain), WithJsonSchema({"type": "string", "pattern": _AMOUNT})]
Currency = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": sorted(DECIMALS)})]


def _decimals_by_currency(schema: dict[str, Any]) -> None:
    """Add to the JSON Schema what `OrderCreate` checks: how many decimals each currency has."""
    schema["anyOf"] = [
        {
            "properties": {
                "currency": {"enum": sorted(code for code, most in DECIMALS.items() if most == decimals)},
                "amount": {"pattern": rf"^[0-9]+(\.[0-9]{{1,{decimals}}})?$" if decimals else "^[0-9]+$"},
            }
        }
        for decimals in sorted(set(DECIMALS.values()))
    ]


class OrderCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra=_decimals_by_currency)

    # Visible ASCII, because people read it out on the phone and use it in file names and URLs.
    reference: str = Field(pattern=r"^[!-~]{1,64}$", examples=["A-1001"])
    amount: Amount = Field(examples=["12.50"])
    currency: Currency = Field(examples=["EUR"])

    @model_validator(mode="after")
    def _decimals_fit(self) -> Self:
        most = DECIMALS[self.currency]
        if -int(self.amount.as_tuple().exponent) > most:
            raise ValueError(f"an amount in {self.currency} has at most {most} decimals")
        self.amount = self.amount.quantize(Decimal(1).scaleb(-most))
        return self


class OrderUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: OrderStatus


class OrderRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    reference: str
    amount: Decimal
    currency: str
    status: OrderStatus
    created_at: datetime
    updated_at: datetime


class OrderRow(OrderRead):
    """An order as the database stores it. Services return it; its version is the ETag."""

    version: int
