"""Types for schemas that take what a column can hold, so that PostgreSQL sees nothing that it would refuse.

A decimal goes as a string in plain notation, because a JSON number would have been a float on its way.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

# Of a query's parameter, which is text: Annotated[int, INT32].
INT32 = Field(ge=-(2**31), lt=2**31)
INT64 = Field(gt=-(2**53), lt=2**53)  # What JavaScript, and many a reader of JSON, would not round.


def _number(value: Any) -> Any:
    # Pydantic would take "1" and true for 1. It may go on and take 1.0, which is an integer in JSON Schema.
    if isinstance(value, str | bool):
        raise ValueError("must be a number")  # noqa: TRY004 - A TypeError would be no refusal but a fault.
    return value


def _written(value: Any) -> Any:
    # Pydantic would take a number for the seconds since 1970.
    if not isinstance(value, date) and not re.match(r"\d{4}-\d\d-\d\d", str(value)):
        raise ValueError("must be a string in ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be of the years 1 to 9999 in UTC") from None


class Digits(NamedTuple):
    """For a NUMERIC: Annotated[Decimal, Digits(12, 2)] has 10 digits before the point and 2 behind it."""

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
        return Decimal(value).quantize(Decimal(1).scaleb(-self.scale)) + 0  # There is no -0.


Int32 = Annotated[int, INT32, BeforeValidator(_number)]
Int64 = Annotated[int, INT64, BeforeValidator(_number)]
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Day = Annotated[date, BeforeValidator(_written)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
