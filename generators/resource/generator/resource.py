"""A resource as the files of the template want it: names, fields, and what depends on several fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from generator import fields, names
from generator.errors import CommandError
from generator.fields import EXAMPLE, Field


@dataclass(frozen=True)
class Resource:
    name: str
    plural: str
    fields: tuple[Field, ...]

    @property
    def type(self) -> str:
        return names.camel(self.name)

    @property
    def words(self) -> str:
        return names.words(self.name)

    @property
    def one(self) -> str:
        return names.with_article(self.name)

    @property
    def many(self) -> str:
        return names.words(self.plural)

    @property
    def slug(self) -> str:
        return self.name.replace("_", "-")

    @property
    def route(self) -> str:
        return f"/v1/{self.plural.replace('_', '-')}"

    @property
    def constant(self) -> str:
        return self.plural.upper()

    @cached_property
    def enums(self) -> list[Field]:
        return [field for field in self.fields if field.values]

    @property
    def enum_types(self) -> str:
        return ", ".join(field.alias for field in self.enums)

    @property
    def aliased(self) -> list[Field]:
        return [field for field in self.fields if field.annotated]

    @property
    def indexes(self) -> list[Field]:
        return [field for field in self.fields if field.indexed]

    @property
    def filters(self) -> list[Field]:
        return [field for field in self.fields if field.filters]

    @property
    def uniques(self) -> list[Field]:
        return [field for field in self.fields if field.unique]

    @property
    def references(self) -> list[Field]:
        return [field for field in self.fields if field.target]

    @property
    def constraints(self) -> bool:
        return bool(self.constraint_errors)

    @property
    def constraint_errors(self) -> list[str]:
        exists = [f"{self.type}Exists"] if self.uniques else []
        return exists + ([f"{self.type}RefersToNothing"] if self.references else [])

    @property
    def errors(self) -> list[str]:
        return [f"{self.type}NotFound", *self.constraint_errors]

    @property
    def constants(self) -> list[Field]:
        return [field for field in self.fields if field.constant]

    @property
    def omissible(self) -> list[Field]:
        return [field for field in self.fields if field.json_default]

    @property
    def body(self) -> str:
        values = (f'"{field.name}": {field.example}' for field in self.fields if not field.target)
        return f"{{{', '.join(values)}}}"

    @property
    def factories(self) -> list[tuple[str, list[str]]]:
        """The functions of others' tests that make what this refers to, by their modules."""
        modules: dict[str, set[str]] = {}
        for field in self.references:
            if field.target:
                modules.setdefault(field.target.factory, set()).add(f"new_{field.target.name}")
        return [(module, sorted(modules[module])) for module in sorted(modules)]

    def new(self, values: str = "", client: str = "client") -> str:
        """Call the factory, in a test that has this client."""
        if not self.references:
            return f"new_{self.name}({values})"
        return f"await new_{self.name}({client}{', ' if values else ''}{values})"


def resource(name: str, written: str, plural: str, features: Mapping[str, Any]) -> Resource:
    plural = plural or names.plural_of(name)
    names.check_resource(name, plural)
    if not written.split():
        raise CommandError(f'fields are missing; type fields="…", {EXAMPLE}')
    given = tuple(fields.parsed(each, name, plural, features) for each in written.split())
    _check_together(given)
    return Resource(name, plural, given)


def _check_together(given: tuple[Field, ...]) -> None:
    seen: dict[str, str] = {}
    for field in given:
        name = names.camel(field.name)
        if name in seen:
            raise CommandError(
                f"the fields {seen[name]!r} and {field.name!r}: both become {name} in the code"
            )
        seen[name] = field.name
        for identifier in field.identifiers:
            if len(identifier) > names.LONGEST_IDENTIFIER:
                raise CommandError(
                    f"the field {field.name!r}: the identifier {identifier} is longer than "
                    f"the {names.LONGEST_IDENTIFIER} characters that PostgreSQL keeps; choose a shorter name"
                )
