"""The types that a field can have, and what each is in a model, a schema and a test."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from generator.errors import CommandError

_LONGEST_STRING = 10_000
_LONGEST_KEY = 500  # An entry of a B-tree has room for 2,704 bytes, and a character takes up to four.
_LONGEST_VALUE = 32
_MOST_DIGITS = 28  # With these Python's decimals calculate exactly.
_FEW, _SOME = 8, 16  # Characters in which distinct values are a number, are random, are both.


@dataclass(frozen=True)
class Kind:
    """Pieces of Python. An `annotated` type gets a name of its own in the schemas."""

    python: str
    schema: str = ""
    column: str = ""
    annotated: str = ""
    query: str = ""
    examples: tuple[str, str] = ("", "")
    """Bodies' values: one, and another that differs."""
    distinct: str = ""
    """Makes a value that differs each time; without it the type cannot be unique."""
    wrong: tuple[str, ...] = ()
    default: Callable[[str], str | None] | None = None
    """Turns what follows `=` into JSON, or returns None if the type has no such value."""
    literal: str = "{}"
    """A default in Python, made of its JSON."""
    indexable: bool = True
    values: tuple[str, ...] = field(default=())
    """Those of an enum."""


def string(length: str = "200") -> Kind:
    most = _number("str", length, 1, _LONGEST_STRING)
    return Kind(
        python="str",
        column=f"String({most})",
        annotated=f"Annotated[Text, Field(min_length=1, max_length={most})]",
        distinct=_distinct_text(most) if most <= _LONGEST_KEY else "",
        indexable=most <= _LONGEST_KEY,
        wrong=('""', f'"a" * {most + 1}', r'"\x00"', "1"),
        default=lambda text: json.dumps(text, ensure_ascii=False) if 0 < len(text) <= most else None,
    )


def _distinct_text(most: int) -> str:
    if most < _FEW:
        return f'f"{{next(_numbers) % {10**most}:0{most}}}"'
    return f"uuid4().hex[:{most}]" if most < _SOME else 'f"{uuid4().hex[:8]}-{next(_numbers)}"'


def text() -> Kind:
    return Kind(
        python="str",
        schema="Text",
        column="Text",
        wrong=(r'"\x00"', "1"),
        indexable=False,
        default=lambda text: json.dumps(text, ensure_ascii=False),
    )


def integer(bits: int) -> Kind:
    beyond = 2**31 if bits == 32 else 2**53  # noqa: PLR2004 - As chassis/values.py has it.

    def whole(text: str) -> str | None:
        is_one = re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", text)
        return str(int(text)) if is_one and -beyond < int(text) < beyond else None

    return Kind(
        python="int",
        schema=f"Int{bits}",
        query=f"Annotated[int, INT{bits}]",
        column="BigInteger" if bits == 64 else "",  # noqa: PLR2004 - The wider of two.
        examples=("42", "7"),
        distinct="next(_numbers)",
        wrong=(f"2**{beyond.bit_length() - 1}", '"1"', "1.5", "True"),
        default=whole,
    )


def decimal(precision: str = "", scale: str = "0") -> Kind:
    if not precision:
        raise CommandError("a decimal needs its digits, for example decimal(12,2)")
    most = _number("decimal", precision, 1, _MOST_DIGITS)
    after = _number("decimal", scale, 0, most)
    before = most - after

    def plain(text: str) -> str | None:
        found = re.fullmatch(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?", text)
        fits = found and len(found[1].lstrip("0")) <= before and len(found[2] or "") <= after
        return json.dumps(f"{Decimal(text):.{after}f}") if fits else None

    point = "." if after else ""
    one = ("12"[:before] or "0") + point + "50"[:after].ljust(after, "0")
    other = ("7" if before else "0") + point + "25"[:after].ljust(after, "0")
    return Kind(
        python="Decimal",
        column=f"Numeric({most}, {after})",
        annotated=f"Annotated[Decimal, Digits({most}, {after})]",
        examples=(f'"{one}"', f'"{other}"'),
        wrong=("12.5", '"1e3"', '"NaN"', f'"0.{"1" * (after + 1)}"'),
        default=plain,
        literal="Decimal({})",
    )


def boolean() -> Kind:
    return Kind(
        python="bool",
        schema="StrictBool",
        query="bool",
        examples=("True", "False"),
        wrong=('"true"', "1"),
        default=lambda text: text if text in ("true", "false") else None,
    )


def day() -> Kind:
    def iso(text: str) -> str | None:
        return json.dumps(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) and _parses(date, text) else None

    return Kind(
        python="date",
        schema="Day",
        examples=('"2026-01-31"', '"2026-02-28"'),
        distinct="str(date(2026, 1, 1) + timedelta(days=next(_numbers)))",
        wrong=('"soon"', "0", '"2026-02-30"'),
        default=iso,
        literal="date.fromisoformat({})",
    )


def instant() -> Kind:
    def iso(text: str) -> str | None:
        is_one = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
        return json.dumps(text) if is_one and _parses(datetime, text.replace("Z", "+00:00")) else None

    return Kind(
        python="datetime",
        schema="Instant",
        column="DateTime(timezone=True)",
        examples=('"2026-01-31T12:00:00Z"', '"2026-02-28T08:30:00Z"'),
        distinct='f"{date(2026, 1, 1) + timedelta(days=next(_numbers))}T12:00:00Z"',
        wrong=('"soon"', "0", '"2026-01-31T12:00:00"', '"0001-01-01T00:00:00+14:00"'),
        default=iso,
        literal="datetime.fromisoformat({})",
    )


def uuid() -> Kind:
    return Kind(
        python="UUID",
        distinct="str(uuid4())",
        wrong=('"x"', "1"),
        default=lambda text: json.dumps(str(UUID(text))) if _parses(UUID, text) else None,
        literal="UUID({})",
    )


def json_object() -> Kind:
    return Kind(
        python="dict[str, Any]",
        schema="dict[str, JsonValue]",
        column="JSONB(none_as_null=True)",
        examples=('{"key": "value"}', '{"list": [1, None, {"a": 0.5}]}'),
        wrong=("[]", '"x"'),
        indexable=False,
    )


def enum(*values: str) -> Kind:
    if len(values) < 2 or len(set(values)) < len(values):  # noqa: PLR2004 - One alone is a constant.
        raise CommandError("an enum needs two values or more, all different, for example enum(open|closed)")
    for each in values:
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", each) or len(each) > _LONGEST_VALUE:
            raise CommandError(
                f"the value {each!r} of an enum: lower-case letters, digits, underscores, up to 32"
            )
    return Kind(
        python="",
        examples=(f'"{values[0]}"', f'"{values[1]}"'),
        wrong=('"?"', "1"),
        default=lambda text: json.dumps(text) if text in values else None,
        values=values,
    )


KINDS: Mapping[str, Callable[..., Kind]] = {
    "str": string,
    "text": text,
    "int": lambda: integer(32),
    "bigint": lambda: integer(64),
    "decimal": decimal,
    "bool": boolean,
    "date": day,
    "datetime": instant,
    "uuid": uuid,
    "json": json_object,
    "enum": enum,
}


def kind_of(written: str) -> Kind:
    name, _, rest = written.partition("(")
    arguments = re.split(r"[|,]", rest.removesuffix(")")) if rest else []
    if name not in KINDS:
        raise CommandError(f"there is no type {name!r}; there are {', '.join(KINDS)} and ref")
    if name not in ("str", "decimal", "enum") and arguments:
        raise CommandError(f"the type {name} takes nothing in brackets, unlike {written!r}")
    if len(arguments) > {"str": 1, "decimal": 2}.get(name, len(arguments)):
        raise CommandError(
            f"{written!r} has too many arguments in its brackets; for example str(64), decimal(12,2)"
        )
    return KINDS[name](*arguments)


def _number(kind: str, given: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", given) or not least <= int(given) <= most:
        raise CommandError(f"{given!r} in the brackets of {kind}: a number from {least} to {most}")
    return int(given)


def _parses(kind: type[date | UUID], written: str) -> bool:
    try:
        kind.fromisoformat(written) if issubclass(kind, date) else kind(written)
    except ValueError:
        return False
    return True
