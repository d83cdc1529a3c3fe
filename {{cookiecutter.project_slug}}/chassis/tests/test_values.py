"""What a schema takes, a column can hold."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chassis.values import Day, Digits, Instant, Int32, Int64, Text

MONEY = Annotated[Decimal, Digits(4, 2)]


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        (Text, "", ""),
        (Text, "a\nb", "a\nb"),
        (Int32, -(2**31), -(2**31)),
        (Int32, 7.0, 7),
        (Int64, 2**53 - 1, 2**53 - 1),
        (Day, "2024-02-29", date(2024, 2, 29)),
        (Day, date(2024, 2, 29), date(2024, 2, 29)),
        (Instant, "2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (Instant, datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)),
        (Day, "9999-12-30", date(9999, 12, 30)),
        (Instant, "0001-01-01T00:00:00.000001Z", datetime(1, 1, 1, microsecond=1, tzinfo=UTC)),
        (MONEY, "12.5", Decimal("12.50")),
        (MONEY, "-0", Decimal("0.00")),
        (MONEY, Decimal("1.00"), Decimal("1.00")),
        (Annotated[Decimal, Digits(3, 0)], "120", Decimal(120)),
        (Annotated[Decimal, Digits(2, 2)], "-0.25", Decimal("-0.25")),
    ],
)
def test_what_fits_is_taken(kind: Any, given: object, taken: object) -> None:
    assert repr(TypeAdapter(kind).validate_python(given)) == repr(taken)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Text, "a\x00b"),
        (Int32, 2**31),
        (Int32, "1"),
        (Int32, True),
        (Int32, 1.5),
        (Int64, -(2**53)),
        (Day, 0),
        (Day, "0"),
        (Day, "2026-02-30"),
        (Instant, 0),
        (Instant, "2026-01-31T12:00:00"),
        (Instant, "0001-01-01T00:00:00+14:00"),
        (Day, "0001-01-01"),
        (Day, "9999-12-31"),
        (Instant, "0001-01-01T00:00:00Z"),
        (Instant, "0001-01-01T01:00:00+01:00"),
        (Instant, "9999-12-31T23:59:59.999999Z"),
        (MONEY, 1.5),
        (MONEY, "1e1"),
        (MONEY, "NaN"),
        (MONEY, "123"),
        (MONEY, "1.234"),
        (MONEY, "\u0661"),
        (Annotated[Decimal, Digits(3, 0)], "1.0"),
        (Annotated[Decimal, Digits(2, 2)], "1.00"),
    ],
)
def test_other_values_are_rejected(kind: Any, given: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(given)


@given(st.integers(1, 28).flatmap(lambda most: st.tuples(st.just(most), st.integers(0, most))), st.data())
def test_a_decimal_goes_out_as_its_schema_says_and_comes_back(digits: tuple[int, int], data: st.DataObject) -> None:
    adapter: TypeAdapter[Decimal] = TypeAdapter(Annotated[Decimal, Digits(*digits)])
    [pattern] = {adapter.json_schema(mode=mode)["pattern"] for mode in ("validation", "serialization")}
    written = data.draw(st.from_regex(pattern, alphabet=st.characters(codec="ascii"), fullmatch=True))
    taken = adapter.validate_python(written)
    sent = json.loads(adapter.dump_json(taken))
    assert taken == Decimal(written)
    assert adapter.validate_python(sent) == taken
    assert "e" not in sent.lower()
    assert len(sent.partition(".")[2]) == digits[1]
