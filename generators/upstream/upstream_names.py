"""What the files of this template say of an upstream: `{% set u = cookiecutter | upstream %}`.

It runs on the Python of the user's cookiecutter, with what cookiecutter needs and nothing else.
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
_LONGEST = 30  # With it the lines of the code stay within their length.
# Without user and password, which are no code, and with nothing that a string or a comment would need quoted.
_URL = re.compile(r"https?://[a-z0-9.:\[\]-]+(/[A-Za-z0-9._~%+-]+)*/?")


class Refused(SystemExit, FailedHookException):
    """One line and exit code 1: cookiecutter prints a failed hook so, a program that runs it may catch it."""


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
        """Where it is; a name that nobody can have (RFC 6761), until somebody says it."""
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
            f"the name {name!r}: lower-case letters, digits and single underscores, from a letter on"
        )
    if len(name) > _LONGEST:
        raise Refused(f"the name {name!r} has {len(name)} characters, and {_LONGEST} is the most")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in dir(builtins):
        raise Refused(f"the name {name!r}: Python has this name already; another one, for example {name}_api")
    if url and not _URL.fullmatch(url):
        raise Refused(
            f"the url {url!r}: https://, a host, and a path if it has one, as in https://{name}.example/v2/"
        )
    return Upstream(name, url)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _one_of(name: str) -> str:
    """Name one of what the API has: a payment of payments, a crm_item of crm."""
    if re.search(r"[a-z]{3}ies$", name):
        return f"{name[:-3]}y"
    if re.search(r"[a-z]{3}(sh|ch|x|ss)es$", name):
        return name[:-2]
    return name[:-1] if re.search(r"[a-z]{3}[^aius]s$", name) else f"{name}_item"
