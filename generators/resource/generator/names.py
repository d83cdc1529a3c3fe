"""Which names generated code can have, and the forms that it needs of one."""

import builtins
import keyword
import re

from generator.errors import CommandError
from generator.reserved import COLUMNS, OF_BASE_CLASSES, OF_ITS_CODE, OF_SCHEMAS, POSTGRESQL

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 30  # With it the lines of the code stay within their length.
LONGEST_IDENTIFIER = 63  # Of PostgreSQL, which cuts what is longer.


def check_field(name: str) -> None:
    if name in COLUMNS:
        raise CommandError(f"the field {name!r}: every resource has this column already")
    _check("field", name, f"{name}_value")
    for names, whose in (
        (OF_BASE_CLASSES, "an attribute of every model or schema"),
        (OF_SCHEMAS, "a name that the resource's schemas have already"),
        (POSTGRESQL, "a reserved word of PostgreSQL"),
    ):
        if name in names or (names is OF_BASE_CLASSES and name.startswith("model_")):
            raise CommandError(f"the field {name!r}: this is {whose}; another name, for example {name}_value")


def check_resource(name: str, plural: str) -> None:
    _check("resource", name, f"service_{name}")
    _check("plural", plural, f"{name}_list")
    if name == plural:
        raise CommandError(
            f"the plural of {name!r} is the same word; choose another, for example plural={name}_list"
        )
    for word in (name, plural):
        if word in OF_ITS_CODE:
            raise CommandError(
                f"the resource {word!r}: a feature's code has this name already; choose another"
            )
    if plural in POSTGRESQL:
        raise CommandError(
            f"the plural {plural!r} is a reserved word of PostgreSQL; type plural={plural}_list"
        )


def _check(what: str, name: str, example: str) -> None:
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"the {what} {name!r}: lower-case letters, digits and single underscores, from a letter on"
        )
    if len(name) > _LONGEST:
        raise CommandError(f"the {what} {name!r} has {len(name)} characters; at most {_LONGEST} are allowed")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise CommandError(
            f"the {what} {name!r}: this is a keyword of Python; another name, for example {example}"
        )
    if name in dir(builtins):
        raise CommandError(
            f"the {what} {name!r}: Python has this name already; another, for example {example}"
        )


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def plural_of(name: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", name):
        return f"{name}es"
    return f"{name[:-1]}ies" if re.search(r"[^aeiou_]y$", name) else f"{name}s"


def words(name: str) -> str:
    return name.replace("_", " ")


def with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {words(name)}"
