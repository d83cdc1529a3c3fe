"""Rejects bad answers before any file is written, and writes good ones as TOML, YAML, JSON and Markdown.

A failing hook could reject them too, but prints cookiecutter's traceback and can leave a folder behind.
The syntax stays old: this runs on the Python of the user's cookiecutter, not on the service's.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cookiecutter.exceptions import FailedHookException
from jinja2.ext import Extension
from slugify import slugify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

OLDEST_COOKIECUTTER = (2, 2)
HERE = Path(__file__).resolve().parent

EXAMPLES = {
    "project_name": "Order Service",
    "project_slug": "order-service",
    "description": "Takes and tracks orders.",
    "owner": "Platform Team",
}
# The longest summary that a package index takes; nothing that stands in a heading needs more.
LONGEST_TEXT = 512
# RFC 1035, which Kubernetes wants for what it names.
LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
LONGEST_LABEL = 63

MARKUP = re.compile(r"\{[{%#]")
LINE_BREAKS = "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
# Embeddings, overrides and isolates make a text read differently from what it is, and no script needs them
# within a line. The marks and joiners that Persian, Hebrew or a family emoji need are not among them.
REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}


class AnswerError(SystemExit, FailedHookException):
    """One line each and exit code 1: cookiecutter prints a failed hook so, cruft only what ends Python."""


class Answers(Extension):
    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # `cruft update` makes the old and the new version in one process, and each brings its own extension.
        sys.modules.pop(__name__, None)
        require_cookiecutter(version("cookiecutter"))
        self.asking = False
        self.ours = list(json.loads((HERE / "cookiecutter.json").read_text("utf-8")).values())
        filters = (self.literal, slug, checked, for_hook, quoted, markdown)
        environment.filters.update({function.__name__: function for function in filters})

    def literal(self, _: Mapping[str, Any]) -> str:
        """Say that answers follow: the environment that asks renders this first, and no other one does."""
        self.asking = True
        return ""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 - Jinja names them.
        """Keep cookiecutter from running a command line's answer as a template, so that it is refused."""
        if self.asking and MARKUP.search(source) and source not in self.ours:
            return "{{ " + json.dumps(source, ensure_ascii=False) + " }}"
        return source


def require_cookiecutter(running: str) -> None:
    if tuple(map(int, re.findall(r"\d+", running)[:2])) < OLDEST_COOKIECUTTER:
        oldest = ".".join(map(str, OLDEST_COOKIECUTTER))
        message = f"cookiecutter {running} is too old, {oldest} is needed: pip install -U cookiecutter"
        raise AnswerError(message)


def slug(name: object) -> str:
    """Make a label of a name in any script; empty if no Latin letter or digit can stand for any of it."""
    words = slugify(str(name), entities=False, decimal=False, hexadecimal=False)
    if words[:1].isdigit():
        words = f"service-{words}"
    return slugify(words, max_length=LONGEST_LABEL, word_boundary=True, save_order=True)


def checked(answers: Mapping[str, Any]) -> str:
    refusals = {answer: why for answer in EXAMPLES if (why := why_not(answer, answers.get(answer)))}
    name = answers.get("project_name")
    derived = answers.get("project_slug") == slug(name)
    if derived and "project_name" in refusals:
        refusals.pop("project_slug", None)  # Nobody typed it.
    elif derived and not slug(name):
        refusals["project_slug"] = f"cannot be derived from {shown(str(name))}, so type one"
    if refusals:
        lines = [f"{answer}: {why}; for example: {EXAMPLES[answer]}" for answer, why in refusals.items()]
        raise AnswerError("\n".join(lines))
    return ""


def why_not(answer: str, given: object) -> str | None:
    if not isinstance(given, str):
        return "is not a text"
    if all(unicodedata.category(character) in INVISIBLE for character in given):
        return "is empty"
    return why_not_label(given) if answer == "project_slug" else why_not_text(given)


def why_not_label(given: str) -> str | None:
    if len(given) > LONGEST_LABEL:
        return f"{shown(given)} has {len(given)} characters, and a label has at most {LONGEST_LABEL}"
    if not LABEL.fullmatch(given):
        rule = "lower-case letters, digits and hyphens, from a letter to a letter or digit"
        return f"{shown(given)} is not a valid name for images and pods ({rule})"
    if given in required_packages():
        return f"{shown(given)} is the name of a package that the service installs"
    return None


def required_packages() -> set[str]:
    service = HERE / "{{cookiecutter.project_slug}}"
    projects = [
        path.read_text("utf-8") for path in (service / "pyproject.toml", service / "chassis/pyproject.toml")
    ]
    return set(
        re.findall(r'^ +"([a-z0-9-]+)(?:\[[^"]*\])?(?:[<>=~][^"]*)?",$', "\n".join(projects), re.MULTILINE)
    )


def why_not_text(given: str) -> str | None:
    if len(given) > LONGEST_TEXT:
        return f"{shown(given)} has {len(given)} characters, but at most {LONGEST_TEXT} are allowed"
    markup = MARKUP.search(given)
    if markup:
        return f"{shown(given)} contains the template markup {markup.group()}, which every update would run"
    for character in given:
        kind = unusable(character)
        if kind:
            return f"{shown(given)} contains {kind} (U+{ord(character):04X}); it must be one plain line"
    return None


def unusable(character: str) -> str | None:
    category = unicodedata.category(character)
    if character in LINE_BREAKS:
        return "a line break"
    if category == "Cc":
        return "a control character"
    if category == "Cs":
        return "half a character"
    return "a character that reorders the text" if character in REORDERING else None


def shown(given: str) -> str:
    return repr(given if len(given) <= 60 else given[:59] + "…")  # noqa: PLR2004 - As much as a line of a terminal has room for.


def quoted(text: str) -> str:
    """Write a string that TOML (basic), YAML (double-quoted) and JSON all read back as the same text."""
    # Not cookiecutter's own jsonify: that writes emoji as surrogate pairs, which TOML and YAML refuse.
    written = json.dumps(text, ensure_ascii=False)
    # Raw in JSON but not in the others: DEL and C1 controls, separators, the byte order mark, noncharacters.
    return re.sub(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda c: f"\\u{ord(c[0]):04x}", written)


def markdown(text: str) -> str:
    """Write a text that reads as itself in a paragraph, heading, list or table cell."""
    # A URL is broken up too: GitHub would link it, and show the backslashes that escape its underscores.
    text = re.sub(r"([\\`*_\[\]<>#|~&$]|:(?=//)|(?<=www)\.)", r"\\\1", text.strip())
    return re.sub(r"^(\d{1,9}(?=[.)])|(?=[-+=:]))", r"\1\\", text)


def for_hook(answers: Mapping[str, Any]) -> str:
    """Write all answers, and where the template is, as the inside of a string of Python.

    cookiecutter renders hooks in the template's folder; its own `_repo_dir` may be relative to the user's.
    """
    everything = json.dumps({**answers, "_repo_dir": str(Path.cwd())})
    return json.dumps(everything)[1:-1]
