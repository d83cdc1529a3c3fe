"""Resources as a user asks for them, right and wrong ones, and the service that gets them."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from generator import names
from generator.errors import CommandError
from generator.resource import Resource, resource
from tests.baking import Baker

ORDERS: dict[str, Any] = {
    "order": {"table": "orders", "route": "/v1/orders", "factory": "tests.factories", "awaits": False}
}
# With the customers of docs/resources.md they have every type, every mark, and references to old and new.
FIXED = {
    "invoice": (
        "number:str:unique amount:decimal(12,2) currency:str(3)=EUR due_on:date:index paid:bool=false"
        " notes:text? customer:ref order:ref? external_id:uuid:index details:json?"
        " state:enum(open|closed|written_off):index=open"
    ),
    "order_item": (
        "invoice:ref source:ref(order):unique position:int:index quantity:bigint=1 code:str(2):unique?"
        " unit_price:decimal(20,8):index batch:uuid:unique? shipped_on:date:unique?"
        " packed_at:datetime:unique? gift:bool:index? serial:int:unique? weight:bigint:unique?"
        " share:decimal(4,4)? kind:enum(a|b)?"
    ),
}


def is_usable(name: str) -> bool:
    try:
        names.check_field(name)
        names.check_resource(name, names.plural_of(name))
    except CommandError:
        return False
    return True


NAMES = st.from_regex(r"[a-z]{3,9}(_[a-z0-9]{1,4})?", fullmatch=True).filter(is_usable)
DIGITS = st.integers(1, 28).flatmap(lambda most: st.tuples(st.just(most), st.integers(0, most)))
ENUMS = st.lists(
    st.from_regex(r"[a-z]{1,6}(_[a-z0-9])?", fullmatch=True), min_size=2, max_size=4, unique=True
)
TYPES: dict[str, st.SearchStrategy[str]] = {
    "str": st.sampled_from(["str", "str(1)", "str(3)", "str(12)", "str(500)", "str(10000)"]),
    "text": st.just("text"),
    "int": st.sampled_from(["int", "bigint"]),
    "decimal": DIGITS.map(lambda digits: f"decimal({digits[0]},{digits[1]})"),
    "bool": st.just("bool"),
    "date": st.sampled_from(["date", "datetime"]),
    "uuid": st.just("uuid"),
    "json": st.just("json"),
    "enum": ENUMS.map(lambda values: f"enum({'|'.join(values)})"),
    "ref": st.just("ref(order)"),
}
DEFAULTS = {
    "int": "5",
    "bigint": "-7",
    "bool": "true",
    "date": "2026-01-31",
    "datetime": "2026-01-31T12:00:00Z",
}


@st.composite
def fields(draw: st.DrawFn) -> str:
    """One field that is right: its marks and its default go with its type."""
    kind = draw(st.sampled_from(sorted(TYPES)))
    written = draw(TYPES[kind])
    marks = ["?"] if draw(st.booleans()) else []
    if kind in ("str", "int", "date", "uuid", "ref") and written != "str(10000)":
        marks += draw(st.sampled_from([[], [":index"], [":unique"]]))
    elif kind in ("bool", "enum", "decimal"):
        marks += draw(st.sampled_from([[], [":index"]]))
    default = f"={DEFAULTS[written]}" if written in DEFAULTS and ":unique" not in marks else ""
    return f"{draw(NAMES)}:{written}{''.join(marks)}{default if draw(st.booleans()) else ''}"


def together(written: Sequence[str]) -> str:
    """Keep the first of those whose names are alike."""
    alike = {names.camel(each.partition(":")[0]): each for each in reversed(written)}
    return " ".join(reversed(alike.values()))


FIELDS = st.lists(fields(), min_size=1, max_size=8).map(together)


def parsed(written: str, name: str = "invoice", plural: str = "") -> Resource:
    return resource(name, written, plural, ORDERS)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
    return subprocess.check_output(["git", *identity, *arguments], cwd=folder, text=True)


def commit(folder: Path, message: str) -> str:
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD").strip()


def made_by_a_repository(baker: Baker, output: Path) -> Path:
    """Make a service that says which commit of the template made it, as cruft has it."""
    made_by = commit(baker.template, "The template")
    service = baker.bake(output)
    link(service, template=str(baker.template), commit=made_by)
    return service


def link(service: Path, **kept: str) -> None:
    kept = {"checkout": "", **kept}
    (service / ".cruft.json").write_text(json.dumps(kept | {"context": {"cookiecutter": {}}}))
