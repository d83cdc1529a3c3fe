from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

# Today's largest rate, from the Kuwaiti dinar to the Iranian rial, is some millions. The bound also keeps a converted
# amount, of at most 15 digits before the point and 4 after, within the 28 digits that Python's decimals have.
MAX_RATE = 10**9


class Rates(BaseModel):
    """A response of https://frankfurter.dev/docs: the price of one unit of `base` in other currencies."""

    base: str
    rates: dict[str, Annotated[Decimal, Field(gt=0, lt=MAX_RATE)]]
