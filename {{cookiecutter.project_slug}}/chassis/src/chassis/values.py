"""Types of schemas that accept exactly the values that a PostgreSQL column can store.

A decimal is a string in plain notation, because most JSON readers turn a number into a float.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

# For a query parameter, which is text: Annotated[int, INT32].
INT32 = Field(ge=-(2**31), lt=2**31)
INT64 = Field(gt=-(2**53), lt=2**53)  # JavaScript rounds larger numbers, as do many JSON readers.


def _number(value: Any) -> Any:
    # Pydantic would accept "1" and true as 1. It may accept 1.0, which is an integer in JSON Schema.
    if isinstance(value, str | bool):
        raise ValueError("must be a number")  # noqa: TRY004 - Pydantic reports a ValueError to the client.
    return value


def _written(value: Any) -> Any:
    # Pydantic would accept a number as seconds since 1970.
    if not isinstance(value, date) and not re.match(r"\d{4}-\d\d-\d\d", str(value)):
        raise ValueError("must be a string in ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999 in UTC") from None


# asyncpg stores these as PostgreSQL's -infinity and infinity. Go's zero time and .NET's MinValue are among them.
_INFINITE = {date.min, date.max, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)}


def _finite[Value: date](value: Value) -> Value:
    if value in _INFINITE:
        raise ValueError("must not be the first or last moment of the calendar; leave it out if it is unknown")
    return value


class Digits(NamedTuple):
    """For a NUMERIC: Annotated[Decimal, Digits(12, 2)] has at most 10 digits before the point and 2 after it."""

    precision: int
    scale: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.format_ser_schema("f")  # str() would write 0E-10.
        return core_schema.no_info_before_validator_function(self._plain, handler(source), serialization=written)

    def __get_pydantic_json_schema__(self, *_: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": self._pattern()}

    def _pattern(self) -> str:
        whole = f"(0|[1-9][0-9]{{0,{self.precision - self.scale - 1}}})" if self.precision > self.scale else "0"
        return rf"^-?{whole}(\.[0-9]{{1,{self.scale}}})?$" if self.scale else f"^-?{whole}$"

    def _plain(self, value: Any) -> Decimal:
        if isinstance(value, Decimal):
            return value
        if not isinstance(value, str) or not re.fullmatch(self._pattern(), value):
            raise ValueError(f"must be a string in plain notation, with at most {self.scale} decimals")
        return Decimal(value).quantize(Decimal(1).scaleb(-self.scale)) + 0  # -0 becomes 0.


Int32 = Annotated[int, INT32, BeforeValidator(_number)]
Int64 = Annotated[int, INT64, BeforeValidator(_number)]
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Day = Annotated[date, BeforeValidator(_written), AfterValidator(_finite)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc), AfterValidator(_finite)]
