"""The schemas of the two contestants on FastAPI alone."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class OrderCreate(BaseModel):
    reference: str
    amount: Decimal
    currency: str


class OrderRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    reference: str
    amount: Decimal
    currency: str
    status: str
    created_at: datetime
    updated_at: datetime


class Page(BaseModel):
    items: list[OrderRead]
    next_cursor: str | None
