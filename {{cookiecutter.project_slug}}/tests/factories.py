"""Requests as a client would send them, each different from the last."""

from itertools import count
from typing import Any
from uuid import uuid4

_numbers = count(1)


def new_order(**values: Any) -> dict[str, Any]:
    reference = (
        f"{uuid4().hex[:8]}-{next(_numbers)}"  # Test workers share nothing, but a committed row may outlive one.
    )
    return {"reference": reference, "amount": "12.50", "currency": "EUR"} | values
