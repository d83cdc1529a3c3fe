from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field


class Rates(BaseModel):
    """An answer of https://frankfurter.dev/docs: what one unit of `base` is worth in other currencies."""

    base: str
    rates: dict[str, Annotated[Decimal, Field(gt=0, lt=10**12)]]
