"""Which changes of an API break its clients."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.dev.check_api import changes
from chassis.dev.schema_changes import Json, Schemas

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
NULLABLE = {"anyOf": [STRING, {"type": "null"}]}


def thing(required: list[str], **properties: Json) -> Json:
    return {"type": "object", "title": "Thing", "properties": properties, "required": required}


def document(body: Json, answer: Json) -> Json:
    """An API that takes a body and gives an answer, both of them by reference."""
    content = {
        name: {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}} for name in ("In", "Out")
    }
    operation = {
        "parameters": [{"name": "limit", "in": "query", "required": False, "schema": {**INTEGER, "maximum": 100}}],
        "requestBody": {"required": True, "content": content["In"]},
        "responses": {"201": {"content": content["Out"]}, "422": {"description": "Wrong"}},
    }
    return {"paths": {"/things": {"post": operation}}, "components": {"schemas": {"In": body, "Out": answer}}}


def in_request(old: Json, new: Json) -> list[str]:
    return list(changes(document(old, {}), document(new, {})))


def in_answer(old: Json, new: Json) -> list[str]:
    return list(changes(document({}, old), document({}, new)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (thing([], a=STRING), thing([], a=STRING, b=STRING), []),
        (thing([]), thing(["b"], b=STRING), ["body.b: is now required"]),
        (thing([], a=STRING), thing(["a"], a=STRING), ["body.a: is now required"]),
        (thing(["a"], a=STRING), thing([], a=STRING), []),
        (thing([], a=STRING), thing([]), ["body.a: is no longer accepted"]),
        (thing([], a=STRING), thing([], a=INTEGER), ["body.a: string is no longer accepted"]),
        (thing([], a=INTEGER), thing([], a={"type": "number"}), []),
        (thing([], a=STRING), thing([], a=NULLABLE), []),
        (thing([], a=NULLABLE), thing([], a=STRING), ["body.a: null is no longer accepted"]),
        (thing([], a={"type": ["string", "null"]}), thing([], a=STRING), ["body.a: null is no longer accepted"]),
        (thing([], a={"enum": ["x", "y"]}), thing([], a={"enum": ["x"]}), ["body.a: 'y' is no longer accepted"]),
        (thing([], a={"enum": ["x"]}), thing([], a={"enum": ["x", "y"]}), []),
        (thing([], a=STRING), thing([], a={**STRING, "enum": ["x"]}), ["body.a: must now be one of ['x']"]),
        (thing([], a={**STRING, "enum": ["x"]}), thing([], a=STRING), []),
        (thing([], a=STRING), thing([], a={**STRING, "maxLength": 9}), ["body.a: maxLength was None, is 9"]),
        (thing([], a={**STRING, "maxLength": 9}), thing([], a={**STRING, "maxLength": 10}), []),
        (thing([], a={**INTEGER, "minimum": 1}), thing([], a={**INTEGER, "minimum": 2}),
         ["body.a: minimum was 1, is 2"]),
        (thing([], a={**STRING, "pattern": "a"}), thing([], a=STRING), []),
        (thing([], a=STRING), thing([], a={**STRING, "pattern": "a"}), ["body.a: pattern was None, is a"]),
        (thing([]), {**thing([]), "additionalProperties": False}, ["body: additionalProperties was None, is False"]),
        (thing([], a={"type": "array", "items": STRING}), thing([], a={"type": "array", "items": INTEGER}),
         ["body.a[]: string is no longer accepted"]),
        (thing([], a=thing([])), thing([], a=thing(["b"], b=STRING)), ["body.a.b: is now required"]),
        ({**thing([], a=STRING), "anyOf": [{}]}, {**thing([]), "anyOf": [{}]}, ["body.a: is no longer accepted"]),
    ],
)  # fmt: skip
def test_what_a_request_may_hold(old: Json, new: Json, said: list[str]) -> None:
    assert in_request(old, new) == [f"POST /things: {line}" for line in said]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (thing(["a"], a=STRING), thing(["a", "b"], a=STRING, b=STRING), []),
        (thing(["a"], a=STRING), thing([]), ["201.a: is gone"]),
        (thing([], a=STRING), thing([]), ["201.a: is gone"]),
        (thing(["a"], a=STRING), thing([], a=STRING), ["201.a: may now be missing"]),
        (thing(["a"], a=STRING), thing(["a"], a=INTEGER), ["201.a: may now be integer"]),
        (thing(["a"], a={"type": "number"}), thing(["a"], a=INTEGER), []),
        (thing(["a"], a=INTEGER), thing(["a"], a={"type": "number"}), ["201.a: may now be number"]),
        (thing(["a"], a=STRING), thing(["a"], a=NULLABLE), ["201.a: may now be null"]),
        (thing(["a"], a=NULLABLE), thing(["a"], a=STRING), []),
        (thing(["a"], a={**STRING, "enum": ["x"]}), thing(["a"], a={**STRING, "enum": ["x", "y"]}), []),
        (thing(["a"], a={**STRING, "format": "date"}), thing(["a"], a=STRING), ["201.a: format was date, is None"]),
        ({"type": "array", "items": thing([], a=STRING)}, {"type": "array", "items": thing([])}, ["201[].a: is gone"]),
        ({"allOf": [thing([], a=STRING)]}, {"allOf": [thing([])]}, ["201.a: is gone"]),
    ],
)
def test_what_an_answer_promises(old: Json, new: Json, said: list[str]) -> None:
    assert in_answer(old, new) == [f"POST /things: {line}" for line in said]


def edited(**edits: Any) -> list[str]:
    """Compare a document with itself after edits of its operation."""
    old = document(STRING, STRING)
    new = deepcopy(old)
    new["paths"]["/things"]["post"].update(edits)
    return list(changes(old, new))


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ({"parameters": []}, ["query limit is no longer accepted"]),
        ({"parameters": [{"name": "limit", "in": "query", "required": True, "schema": INTEGER}]},
         ["query limit is now required"]),
        ({"parameters": [{"name": "limit", "in": "query", "schema": {**INTEGER, "maximum": 50}}]},
         ["query limit: maximum was 100, is 50"]),
        ({"responses": {"200": {}}}, ["no longer returns 201"]),
        ({"responses": {"201": {"content": {"text/csv": {}}}}}, ["201: application/json is gone"]),
        ({"responses": {"201": document(STRING, STRING)["paths"]["/things"]["post"]["responses"]["201"]}}, []),
        ({"requestBody": {"content": {"text/csv": {}}}}, ["body: application/json is gone"]),
    ],
)  # fmt: skip
def test_operations(edits: dict[str, Any], said: list[str]) -> None:
    lines = [line.removeprefix("POST /things: ").removeprefix("POST /things ") for line in edited(**edits)]
    assert lines == said


def test_a_body_that_becomes_required() -> None:
    old = document(STRING, STRING)
    old["paths"]["/things"]["post"]["requestBody"]["required"] = False
    assert list(changes(old, document(STRING, STRING))) == ["POST /things: a body is now required"]


def test_a_path_and_a_method_that_are_gone() -> None:
    old = document(STRING, STRING)
    old["paths"]["/others"] = {"get": {}}
    old["paths"]["/things"]["get"] = {}
    assert list(changes(old, document(STRING, STRING))) == ["GET /things: is gone", "GET /others: is gone"]
    assert list(changes(document(STRING, STRING), old)) == []


def test_a_schema_that_holds_itself() -> None:
    tree = thing([], children={"type": "array", "items": {"$ref": "#/components/schemas/In"}}, name=STRING)
    smaller = thing([], children=tree["properties"]["children"])
    assert in_request(tree, smaller) == ["POST /things: body.name: is no longer accepted"]


def test_one_of_two_objects_that_is_gone() -> None:
    one, two = thing([], a=STRING), {**thing([], b=STRING), "title": "Other"}
    assert in_request({"oneOf": [one, two]}, {"oneOf": [one]}) == [
        "POST /things: body: object Other is no longer accepted"
    ]


SCALARS = st.sampled_from([STRING, INTEGER, NULLABLE, {"type": "boolean"}, {"enum": ["x", "y"]}, {}])
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.dictionaries(st.sampled_from("abc"), inner).flatmap(
            lambda fields: st.lists(st.sampled_from("abc"), unique=True).map(
                lambda names: thing([name for name in names if name in fields], **fields)
            )
        )
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_nothing_breaks_where_nothing_changes(schema: Json) -> None:
    assert in_request(schema, deepcopy(schema)) == in_answer(schema, deepcopy(schema)) == []


@given(SCHEMAS, SCHEMAS)
def test_a_type_that_only_widens_breaks_one_side_and_never_the_other(some: Json, other: Json) -> None:
    widened = {"anyOf": [some, other]}
    kinds = [line for line in Schemas({}, {}, "request").changes(some, widened, "x") if "no longer accepted" in line]
    assert [line for line in kinds if line.startswith("x: ")] == []
