"""What a user may write as a resource's name and fields, and what is refused, in one line that says why."""

import ast
import builtins
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import names
from generator.errors import CommandError
from generator.reserved import OF_ITS_CODE
from tests.baking import Baker, files
from tests.resources import FIELDS, FIXED, NAMES, ORDERS, parsed

REFUSED = {
    "": "fields are missing",
    "number": "'number' is not a field",
    "number:": "is not a field",
    "number:string": "there is no type 'string'; there are str, text",
    "number:str:primary": "there is no mark 'primary'; there are optional, unique, index",
    "number:str?:optional": "twice",
    "number:str(0)": "a number from 1 to 10000",
    "number:str(x)": "a number from 1 to 10000",
    "number:str(1,2)": "too many arguments in its brackets",
    "number:bool(1)": "takes nothing in brackets",
    "amount:decimal": "decimal(12,2)",
    "amount:decimal(29,2)": "a number from 1 to 28",
    "amount:decimal(3,4)": "a number from 0 to 3",
    "state:enum(open)": "two values or more",
    "state:enum(open|open)": "all different",
    "state:enum(Open|closed)": "the value 'Open' of an enum",
    "order:ref(ordr)": "there is no resource 'ordr'",
    "order:ref=x": "a ref cannot have a default",
    "details:json={}": "a json cannot have a default",
    "details:json:index": "a json cannot have an index",
    "notes:text:unique": "a text cannot be unique",
    "name:str(501):index": "cannot have an index; use str(200) or shorter",
    "paid:bool:unique": "a bool cannot be unique",
    "number:str:unique=A": "a unique field cannot have a default",
    "paid:bool=no": "'no' is not a valid default for bool",
    "count_of:int=2147483648": "is not a valid default for int",
    "amount:decimal(3,2)=10": "is not a valid default for decimal(3,2)",
    "due_on:date=2026-02-30": "is not a valid default for date",
    "due_at:datetime=2026-01-31": "is not a valid default for datetime",
    "state:enum(a|b)=c": "is not a valid default for enum(a|b)",
    "code:str(2)=EUR": "is not a valid default for str(2)",
    "customer_id:uuid=1": "is not a valid default for uuid",
    "class:str": "a keyword of Python",
    "match:str": "a keyword of Python",
    "type:str": "a keyword of Python",
    "filter:str": "Python has this name already",
    "order:int": "a reserved word of PostgreSQL",
    "id:uuid": "every resource has this column already",
    "version:int": "every resource has this column already",
    "metadata:json": "an attribute of every model or schema",
    "model_dump:str": "an attribute of every model or schema",
    "date:date": "a name that the resource's schemas have already",
    "cursor:str": "a name that the resource's schemas have already",
    "Number:str": "lower-case letters",
    "number_:str": "lower-case letters",
    "n\u00fcmber:str": "lower-case letters",
    f"{'a' * 31}:str": "has 31 characters",
    "a:str a:int": "the fields 'a' and 'a'",
    "a_1:str a1:int": "the fields 'a_1' and 'a1': both become A1 in the code",
    "order_id:uuid order:ref": "the fields 'order_id' and 'order_id'",
}


@pytest.mark.parametrize("written", REFUSED)
def test_what_is_wrong_is_refused_in_a_line_that_says_why(written: str) -> None:
    with pytest.raises(CommandError) as refused:
        parsed(written)
    assert REFUSED[written] in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "plural", "why"),
    [
        ("Invoice", "", "the resource 'Invoice': lower-case letters"),
        ("class", "", "a keyword of Python"),
        ("filter", "", "Python has this name already"),
        ("session", "", "a feature's code has this name already"),
        ("sheep", "sheep", "the plural of 'sheep' is the same word"),
        ("user_list", "user", "is a reserved word of PostgreSQL"),
        ("invoice", "kit", "a feature's code has this name already"),
        ("invoice", "in-voices", "the plural 'in-voices': lower-case letters"),
        ("a" * 30, "b" * 30, "longer than the 63 characters"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, plural: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        parsed("customer_reference_number_2026:str:unique", name, plural)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("invoice", "invoices"),
        ("category", "categories"),
        ("day", "days"),
        ("box", "boxes"),
        ("batch", "batches"),
    ],
)
def test_the_usual_plurals(one: str, many: str) -> None:
    assert names.plural_of(one) == many


def test_a_plural_can_be_given() -> None:
    assert parsed("number:int", "sheep", "flock").route == "/v1/flock"


def test_marks_stand_in_any_order_and_a_question_mark_is_one() -> None:
    first, *others = (
        parsed(each).fields[0] for each in ("a:str?:index", "a:str:index?", "a:str:optional:index")
    )
    assert first.optional
    assert first.indexed
    assert all((each.optional, each.indexed) == (True, True) for each in others)


@given(st.text() | st.text(alphabet="abc:=?()|,123 "))
def test_anything_else_is_a_resource_or_a_refusal(written: str) -> None:
    try:
        assert parsed(written).fields
    except CommandError as refused:
        assert len(str(refused).splitlines()) == 1  # noqa: PT017 - Both ends are right.


def rendered(template: Path, folder: Path, name: str, written: str) -> dict[str, Path]:
    made = cookiecutter(
        str(template / "generators/resource"),
        no_input=True,
        extra_context={"name": name, "fields": written, "_features": ORDERS},
        output_dir=str(folder),
        default_config=True,
    )
    return files(Path(made))


@settings(max_examples=15)
@given(name=NAMES, written=FIELDS)
def test_what_is_right_becomes_python(
    baker: Baker, tmp_path_factory: pytest.TempPathFactory, name: str, written: str
) -> None:
    for path in rendered(baker.template, tmp_path_factory.mktemp("made"), name, written).values():
        ast.parse(path.read_text(), str(path))


def test_the_longest_names_keep_the_length_of_a_line(baker: Baker, tmp_path: Path) -> None:
    name, field = "a" * 29, "a" * 30
    kinds = (
        "str:unique",
        "decimal(12,2):index=1.50",
        "enum(open|closed)=open",
        "datetime?",
        "ref(order)",
        "json?",
    )
    written = " ".join(f"{chr(98 + number) * 15}:{kind}" for number, kind in enumerate(kinds))
    rendered(baker.template, tmp_path, name, f"{written} {field}:int")
    ruff = [sys.executable, "-m", "ruff"]
    run = partial(subprocess.run, cwd=tmp_path, check=True)
    run([*ruff, "format", "--quiet", "--isolated", "--line-length=120", "."])
    run([*ruff, "check", "--quiet", "--isolated", "--line-length=120", "--select=E501", "."])


def test_the_names_that_the_code_has_are_taken(baker: Baker, tmp_path: Path) -> None:
    """A resource named as a variable of its own code would hide it."""
    used: set[str] = set()
    written = FIXED["order_item"].replace("invoice:", "order:")
    for path in rendered(baker.template, tmp_path, "zebra", written).values():
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case (
                    ast.Name(id=name) | ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.alias(name=name)
                ):
                    used.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    used.add(name)
    fields = {field.name for field in parsed(written).fields}
    ours = {name for name in used - fields if name.islower() and "zebra" not in name and "order" not in name}
    ours = {name for name in ours if not name.startswith(("_", "test_", "app.", "stored_"))}
    assert ours - OF_ITS_CODE - set(dir(builtins)) == set()
