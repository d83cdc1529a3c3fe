from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chassis.pages import Cursor, encode_cursor

CURSOR: TypeAdapter[UUID] = TypeAdapter(Cursor)


@given(st.uuids())
def test_a_cursor_leads_back_to_its_row(identifier: UUID) -> None:
    assert CURSOR.validate_python(encode_cursor(identifier)) == identifier


@given(st.text() | st.binary() | st.none() | st.from_regex(r"\A[A-Za-z0-9_-]{22}\Z"))
def test_whatever_is_accepted_is_the_one_spelling_of_its_row(cursor: object) -> None:
    try:
        identifier = CURSOR.validate_python(cursor)
    except ValidationError:
        return
    assert encode_cursor(identifier) == cursor


@pytest.mark.parametrize("cursor", ["", "A" * 21, "A" * 23, "A" * 21 + "B", "A" * 22 + "\n", "A" * 22 + "=="])
def test_another_spelling_is_rejected(cursor: str) -> None:
    with pytest.raises(ValidationError):
        CURSOR.validate_python(cursor)
