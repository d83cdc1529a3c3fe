"""The names of an upstream in this template: `{% set u = cookiecutter | upstream %}`.

It runs on the Python of the user's cookiecutter, which may have only the packages that cookiecutter needs.
"""

import builtins
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 30  # Longer names would make lines of the generated code too long.
# No user and password: they do not belong in code. No characters that must be quoted in a string or comment.
_URL = re.compile(r"https?://[a-z0-9.:\[\]-]+(/[A-Za-z0-9._~%+-]+)*/?")


class Refused(SystemExit, FailedHookException):
    """One line and exit code 1. cookiecutter prints it like a failed hook; a program can catch it."""


class Upstreams(Extension):
    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["upstream"] = of_answers


@dataclass(frozen=True)
class Upstream:
    name: str
    given: str

    @property
    def type(self) -> str:
        return _camel(self.name)

    @property
    def slug(self) -> str:
        return self.name.replace("_", "-")

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")

    @property
    def variable(self) -> str:
        return f"APP_{self.name.upper()}"

    @property
    def url(self) -> str:
        """The given URL, or a placeholder that never resolves (RFC 6761)."""
        return f"{self.given.rstrip('/')}/" if self.given else f"https://{self.slug}.invalid/"

    @property
    def one(self) -> str:
        return _one_of(self.name)

    @property
    def one_type(self) -> str:
        return _camel(self.one)

    @property
    def one_slug(self) -> str:
        return self.one.replace("_", "-")

    @property
    def one_words(self) -> str:
        return self.one.replace("_", " ")


def of_answers(answers: Mapping[str, Any]) -> Upstream:
    name, url = answers["name"], answers["url"]
    if not _NAME.fullmatch(name):
        raise Refused(
            f"the name {name!r} must have only lower-case letters, digits and single underscores,"
            " and start with a letter"
        )
    if len(name) > _LONGEST:
        raise Refused(f"the name {name!r} has {len(name)} characters; the maximum is {_LONGEST}")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in dir(builtins):
        raise Refused(f"the name {name!r} has a meaning in Python; choose another, for example {name}_api")
    if url and not _URL.fullmatch(url):
        raise Refused(
            f"the url {url!r} must be https://, a host and optionally a path, such as https://{name}.example/v2/"
        )
    return Upstream(name, url)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _one_of(name: str) -> str:
    """Return the name of one item of the API: payment for payments, crm_item for crm."""
    if re.search(r"[a-z]{3}ies$", name):
        return f"{name[:-3]}y"
    if re.search(r"[a-z]{3}(sh|ch|x|ss)es$", name):
        return name[:-2]
    return name[:-1] if re.search(r"[a-z]{3}[^aius]s$", name) else f"{name}_item"
