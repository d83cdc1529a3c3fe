from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class OrderDTO(BaseModel):
    id: UUID
    reference: str
    amount: Decimal
    currency: str
    status: str
    created_at: datetime
    updated_at: datetime

    model_config = ConfigDict(from_attributes=True)


class OrderPageDTO(BaseModel):
    items: list[OrderDTO]
    next_cursor: str | None


class OrderInputDTO(BaseModel):
    reference: str
    amount: Decimal
    currency: str
