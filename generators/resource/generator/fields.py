"""Fields as they are typed, such as `amount:decimal(12,2):index=1.5`, and as lines of Python."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from generator import names
from generator.errors import CommandError
from generator.kinds import Kind, kind_of

EXAMPLE = "for example amount:decimal(12,2), notes:text? or paid:bool=false"
MARKS = ("optional", "unique", "index")

_FIELD = re.compile(
    r"(?P<name>[^:=?]+):(?P<kind>\w+(?:\([^()]*\))?)(?P<marks>(?:\?|:\w+)*)(?:=(?P<default>.*))?", re.DOTALL
)


@dataclass(frozen=True)
class Target:
    """Another resource, as the service has it."""

    name: str
    table: str
    route: str
    factory: str
    """The module of the tests that has `new_<name>`."""
    awaits: bool
    """Whether that stores something first, and wants a client."""

    @property
    def words(self) -> str:
        return names.words(self.name)

    @property
    def call(self) -> str:
        return f"await new_{self.name}(client)" if self.awaits else f"new_{self.name}()"


@dataclass(frozen=True)
class Field:
    owner: str
    table: str
    name: str
    kind: Kind
    optional: bool
    unique: bool
    indexed: bool
    json_default: str
    """What a request that leaves it out gets, in Python's notation of JSON; empty if none may."""
    target: Target | None

    @property
    def filters(self) -> bool:
        return self.unique or self.indexed

    @property
    def alias(self) -> str:
        """The type of its own, if it has one."""
        return f"{names.camel(self.owner)}{names.camel(self.name)}"

    @property
    def python(self) -> str:
        return self.alias if self.kind.values else self.kind.python

    @property
    def annotated(self) -> str:
        return self.kind.annotated

    @property
    def values(self) -> tuple[str, ...]:
        return self.kind.values

    @property
    def _schema(self) -> str:
        return self.alias if self.kind.annotated or self.kind.values else self.kind.schema or self.kind.python

    @property
    def _default(self) -> str:
        """In Python, where a model or a schema has it."""
        if not self.json_default or self.json_default == "None":
            return self.json_default
        if self.kind.values:
            return f"{self.alias}.{json.loads(self.json_default).upper()}"
        return self.kind.literal.format(self.json_default)

    @property
    def column(self) -> str:
        arguments = [self._column_type] if self._column_type else []
        arguments += [f'ForeignKey("{self.target.table}.id")'] if self.target else []
        arguments += ["unique=True"] if self.unique else []
        arguments += [f"default={self._default}"] if self._default not in ("", "None") else []
        mapped = f"{self.name}: Mapped[{self.python}{' | None' if self.optional else ''}]"
        return f"{mapped} = mapped_column({', '.join(arguments)})" if arguments else mapped

    @property
    def _column_type(self) -> str:
        if not self.kind.values:
            return self.kind.column
        simpler = "# A check constraint: simpler to change than a type of PostgreSQL's."
        length = max(16, *(len(value) for value in self.kind.values))
        options = f"create_constraint=True, length={length}"
        options += ", values_callable=lambda kind: [each.value for each in kind]"
        return f'Enum({self.alias}, name="known_{self.name}", native_enum=False,  {simpler}\n{options},)'

    @property
    def created(self) -> str:
        default = f" = {self._default}" if self._default else ""
        return f"{self.name}: {self._schema}{' | None' if self.optional else ''}{default}"

    @property
    def updated(self) -> str:
        return f"{self.name}: {self._schema} | MISSING{' | None' if self.optional else ''} = MISSING"

    @property
    def read(self) -> str:
        plain = (
            self.kind.python
            if self.kind.python in ("str", "int", "bool", "date", "datetime")
            else self._schema
        )
        return f"{self.name}: {plain}{' | None' if self.optional else ''}"

    @property
    def queried(self) -> str:
        return f"{self.name}: {self.kind.query or self._schema} | None = None"

    @property
    def unique_constraint(self) -> str:
        return f"uq_{self.table}_{self.name}"

    @property
    def foreign_key(self) -> str:
        return f"fk_{self.table}_{self.name}_{self.target.table}" if self.target else ""

    @property
    def identifiers(self) -> list[str]:
        """What PostgreSQL has to remember by its whole name."""
        unique = [self.unique_constraint] if self.unique else []
        index = [f"ix_{self.table}_{self.name}_id"] if self.indexed else []
        reference = [self.foreign_key] if self.target else []
        known = [f"ck_{self.table}_known_{self.name}"] if self.values else []
        return unique + index + reference + known

    @property
    def example(self) -> str:
        return self.kind.distinct if self.unique or not self.constant else self._examples[0]

    @property
    def other(self) -> str:
        return self._examples[1]

    @property
    def constant(self) -> bool:
        """Whether all requests of the tests have the same value."""
        return not self.unique and not self.target and self.kind.python != "UUID"

    @property
    def _examples(self) -> tuple[str, str]:
        if self.kind.python != "str":
            return self.kind.examples
        most = int(match[1]) if (match := re.search(r"String\((\d+)\)", self.kind.column)) else 200
        some, other = (f"{word} {names.words(self.name)}"[:most].strip() for word in ("Some", "Other"))
        return json.dumps(some), json.dumps(other)

    @property
    def wrong(self) -> tuple[str, ...]:
        return self.kind.wrong if self.optional else (*self.kind.wrong, "None")

    @property
    def stored(self) -> str:
        """The variable of the answer that stored what it refers to."""
        return f"stored_{self.name.removesuffix('_id')}"


def parsed(written: str, owner: str, table: str, features: Mapping[str, Any]) -> Field:
    found = _FIELD.fullmatch(written)
    if not found:
        raise CommandError(f"{written!r} is not a field, {EXAMPLE} (a field has no spaces)")
    try:
        return _of(found, owner, table, features)
    except CommandError as error:
        raise CommandError(f"{written!r}: {error}") from None


def _of(found: re.Match[str], owner: str, table: str, features: Mapping[str, Any]) -> Field:
    marks = found["marks"].replace("?", ":optional").split(":")[1:]
    if unknown := [mark for mark in marks if mark not in MARKS]:
        raise CommandError(
            f"there is no mark {unknown[0]!r}; there are {', '.join(MARKS)}, and ? for optional"
        )
    if len(set(marks)) < len(marks):
        raise CommandError("the same mark is given twice")
    target = _target(found["name"], found["kind"], features)
    kind = kind_of("uuid" if target else found["kind"])
    name = f"{found['name']}_id" if target else found["name"]
    names.check_field(name)
    unique, indexed = "unique" in marks, "index" in marks or bool(target)
    field = Field(owner, table, name, kind, "optional" in marks, unique, indexed and not unique, "", target)
    _check_marks(found["kind"], field)
    return replace(field, json_default=_default(found["kind"], found["default"], field))


def _target(name: str, written: str, features: Mapping[str, Any]) -> Target | None:
    if not (found := re.fullmatch(r"ref(?:\((\w+)\))?", written)):
        return None
    wanted = found[1] or name
    if wanted not in features:
        there = f"there are: {', '.join(sorted(features)) or 'none'}"
        raise CommandError(
            f"there is no resource {wanted!r} with a route, and new_{wanted} in a factories.py; {there}"
        )
    return Target(wanted, **features[wanted])


def _check_marks(written: str, field: Field) -> None:
    if field.unique and not field.kind.distinct:
        raise CommandError(f"a {written} cannot be unique")
    if field.filters and not field.kind.indexable:
        raise CommandError(f"a {written} cannot have an index; use str(200) or shorter")


def _default(written: str, default: str | None, field: Field) -> str:
    if default is None:
        return "None" if field.optional else ""
    if field.unique:
        raise CommandError("a unique field cannot have a default")
    if field.target or not field.kind.default:
        raise CommandError(f"a {written} cannot have a default")
    if (value := field.kind.default(default)) is None:
        raise CommandError(f"{default!r} is not a valid default for {written}")
    return {"true": "True", "false": "False"}.get(value, value)
