"""Find the changes of a JSON schema that break clients.

The new schema of a request must accept every value that the old one accepted. The new schema of a response must keep
every promise of the old one. A new enumeration value or a new field in a response does not break clients, because they
ignore unknown ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

type Json = dict[str, Any]
type Direction = Literal["request", "response"]

# Upper and lower limits of a request: a lower maximum or a higher minimum rejects values that were accepted.
_AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_EXACTLY = ("pattern", "format", "multipleOf", "additionalProperties")


@dataclass(frozen=True)
class Schemas:
    """The old and the new document, in which references are looked up."""

    old: Json
    new: Json
    direction: Direction
    seen: set[tuple[str, str]] = field(default_factory=set)

    def changes(self, old: Json, new: Json, where: str) -> Iterator[str]:
        """Yield each break between two schemas, with its place. A recursive schema is compared once."""
        pair = (str(old.get("$ref", where)), str(new.get("$ref", where)))
        if "$ref" in old and "$ref" in new and pair in self.seen:
            return
        self.seen.add(pair)
        before, after = alternatives(old, self.old), alternatives(new, self.new)
        yield from self._types(before, after, where)
        for name in before.keys() & after.keys():
            yield from self._same_type(before[name], after[name], where)

    def _types(self, before: dict[str, Json], after: dict[str, Json], where: str) -> Iterator[str]:
        if self.direction == "request":
            for name in sorted(missing(before, after)):
                yield f"{where}: {name} is no longer accepted"
        else:
            for name in sorted(missing(after, before)):
                yield f"{where}: may now be {name}"

    def _same_type(self, old: Json, new: Json, where: str) -> Iterator[str]:
        if self.direction == "request":
            yield from _narrowed(old, new, where)
            yield from self._accepted(old, new, where)
        else:
            yield from self._promised(old, new, where)
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before.keys() & after.keys():
            yield from self.changes(before[name], after[name], f"{where}.{name}")
        if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
            yield from self.changes(old["items"], new["items"], f"{where}[]")

    def _accepted(self, old: Json, new: Json, where: str) -> Iterator[str]:
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{where}.{name}: is now required"
        for name in sorted(old.get("properties", {}).keys() - new.get("properties", {}).keys()):
            yield f"{where}.{name}: is no longer accepted"

    def _promised(self, old: Json, new: Json, where: str) -> Iterator[str]:
        there = new.get("properties", {}).keys()
        for name in sorted(old.get("properties", {}).keys() - there):
            yield f"{where}.{name}: is gone"
        for name in sorted((set(old.get("required", ())) - set(new.get("required", ()))) & there):
            yield f"{where}.{name}: may now be missing"
        if old.get("format") != new.get("format"):
            yield f"{where}: format was {old.get('format')}, is {new.get('format')}"


def alternatives(schema: Json, document: Json) -> dict[str, Json]:
    """The kinds of value that a schema describes, by name: the type, with the title too where there are two objects.

    Alternatives beside a type are conditions on its fields, and are not compared.
    """
    schema = resolved(schema, document)
    parts = [] if "type" in schema else [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if isinstance(schema.get("type"), list):
        parts = [{**schema, "type": name} for name in schema["type"]]
    if not parts:
        return {kind(schema): schema}
    found: dict[str, Json] = {}
    for part in (each for some in parts for each in alternatives(some, document).values()):
        names = (kind(part), f"{kind(part)} {part.get('title', '')}".strip(), f"{kind(part)} {len(found) + 1}")
        found[next(name for name in names if name not in found)] = part
    return found


def resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        schema = target
    for part in schema.get("allOf", ()):
        other = resolved(part, document)
        merged = {name: {**other.get(name, {}), **schema.get(name, {})} for name in ("properties",)}
        required = [*other.get("required", ()), *schema.get("required", ())]
        schema = {**other, **schema, **merged, "required": required}
    return schema


def kind(schema: Json) -> str:
    if "type" in schema:
        return str(schema["type"])
    values = values_of(schema)
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return names.get(type(values[0]), "any") if values else "object" if "properties" in schema else "any"


def values_of(schema: Json) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def missing(wanted: dict[str, Json], there: dict[str, Json]) -> set[str]:
    """Which of the wanted kinds nothing there covers; any value covers all, and a number every integer."""
    if "any" in there:
        return set()
    return {name for name in wanted.keys() - there.keys() if not (name == "integer" and "number" in there)}


def _narrowed(old: Json, new: Json, where: str) -> Iterator[str]:
    """Yield the values that a request can no longer have."""
    values, allowed = values_of(old), values_of(new)
    if allowed and not values:
        yield f"{where}: must now be one of {allowed}"
    for value in values if allowed else ():
        if value not in allowed:
            yield f"{where}: {value!r} is no longer accepted"
    for name in _AT_MOST:
        if name in new and (name not in old or new[name] < old[name]):
            yield f"{where}: {name} was {old.get(name)}, is {new[name]}"
    for name in _AT_LEAST:
        if name in new and (name not in old or new[name] > old[name]):
            yield f"{where}: {name} was {old.get(name)}, is {new[name]}"
    for name in _EXACTLY:
        if name in new and new[name] not in (True, old.get(name)):
            yield f"{where}: {name} was {old.get(name)}, is {new[name]}"
