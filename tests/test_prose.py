"""Everything that people read uses the field's words: documents, comments, docstrings, messages, help."""

import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

import pytest

from tests.baking import SERVICE, Baker

CHASSIS = f"{SERVICE}/chassis"
# A file belongs to the longest of these that it is in; "" has what lies beside them.
AREAS = ("", "benchmarks", "dev", "docs", "generators", "hooks", "tests", "tools", SERVICE, CHASSIS)
SUFFIXES = {".md", ".py", ".toml", ".yaml", ".yml", ".conf", ".env", ".example", ".json", ".sh", ".sql"}
NAMES = {"Makefile", "Dockerfile", "run"}
# Licences are not ours, figures are not prose, and this file has all of the words.
SKIPPED = ("/licenses/", "tests/test_prose.py", "docs/benchmark.json")
STRINGS = {tokenize.STRING, tokenize.FSTRING_MIDDLE}
QUOTES = re.compile(r"""^[a-zA-Z]*['"]+|['"]+$""")
SPACE = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
CODE = " ; "
"""Stands for what is not prose, so that what is before and after it is not read as one sentence."""


class Word(NamedTuple):
    pattern: str
    better: str
    within: str = ""
    """The folder that the rule is for, if the word is right elsewhere."""


WORDS = (
    Word(r"\broads?\b", "executor, path or way"),
    Word(r"\bmoods?\b", "scenario"),
    Word(r"\bmanners?\b", "scenario or way"),
    Word(r"\bhurr(?:y|ies|ied|ying)\b", "short of time, or stop at once"),
    Word(r"\bhast(?:y|e)\b", "short timeouts"),
    Word(r"\blast second\b", "lame duck"),
    Word(r"\bat work\b", "in progress, active or running"),
    Word(r"\bmend(?:s|ed|ing)?\b", "fix"),
    Word(r"\banswers? for it\b", "is owned by"),
    Word(r"\bpatience\b", "timeout"),
    Word(r"\b(?-i:Stock)\b|\bstock (?=gunicorn|master|part|server|uvicorn|worker)", "uvicorn's own"),
    Word(r"\bstaging\b", "scaffold", within="tools"),
    Word(r"\brefusals?\b", "error or rejection"),
    Word(r"\bof the inside\b", "internals"),
    Word(r"\b(?:circuit|breaker|upstream|it) rests\b|`rest` seconds", "reset timeout"),
    Word(r"\bleaving in\b", "shutting down in"),
    Word(
        r"\b(?:worker|master|process|pod)s?(?: (?:do not|that|to))? leaves?\b(?! (?:it|nothing|out|the)\b)",
        "shut down",
    ),
    Word(
        r"(?<!\bthere )\b(?:is|are|was|were) no (?=[a-z`';])(?!(?:less|longer|more|such|later)\b)", "is not a"
    ),
)
# All at once first: most texts have none of them.
ANY = re.compile("|".join(each.pattern for each in WORDS), re.IGNORECASE)


@pytest.fixture(scope="module")
def texts(baker: Baker) -> dict[str, str]:
    found = (path for path in baker.template.rglob("*") if path.suffix in SUFFIXES or path.name in NAMES)
    names = {str(path.relative_to(baker.template)): path for path in found if path.is_file()}
    return {
        name: prose(name, path.read_text())
        for name, path in sorted(names.items())
        if not name.startswith((".venv/", ".uv/", ".git/")) and not any(each in name for each in SKIPPED)
    }


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.removeprefix(f"{SERVICE}/") or "the rest")
def test_what_people_read_has_the_words_of_the_field(texts: dict[str, str], area: str) -> None:
    names = [name for name in texts if area_of(name) == area]
    assert names
    found = [hit for name in names for hit in hits(name, texts[name])]
    assert not found, "\n".join(found)


def area_of(name: str) -> str:
    return max((each for each in AREAS if name.startswith(f"{each}/") or not each), key=len)


def hits(name: str, text: str) -> Iterator[str]:
    """Yield `file:line: word → better word`. A sentence may go on in the next line, behind a mark."""
    words = [found for found in re.finditer(r"\S+", text) if found[0] not in {"#", ">", "--"}]
    flat = " ".join(found[0] for found in words)
    starts = list(accumulate((len(found[0]) + 1 for found in words), initial=0))
    for word in WORDS if ANY.search(flat) else ():
        if name.startswith(word.within):
            for found in re.finditer(word.pattern, flat, re.IGNORECASE):
                at = words[bisect_right(starts, found.start()) - 1].start()
                yield f"{name}:{text.count('\n', 0, at) + 1}: {found[0].strip()} → {word.better}"


def prose(name: str, text: str) -> str:
    """Return what of a file people read, each word in its line."""
    if name == "CHANGELOG.md":
        return re.sub(r"`[^`\n]*`", CODE, text)  # Older names stand there.
    return python(text) if name.endswith(".py") else text


def python(text: str) -> str:
    """Keep comments and strings, each in its line. A string without a space is a name."""
    kept, line = [""], 1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (token.type in STRINGS and " " in token.string):
            words = QUOTES.sub("", token.string).replace("\\n", " ")
            kept.append("\n" * (token.start[0] - line) + f" {words}")
            line = token.end[0]
        elif token.type not in SPACE and kept[-1] != CODE:
            kept.append(CODE)
    return "".join(kept)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.md", "Two\nroads.", ["a.md:2: roads → executor, path or way"]),
        ("a.md", "That is\n> no list.", ["a.md:1: is no → is not a"]),
        ("a.md", "There is\nno list, and it is no longer there. Abroad, the default is no.", []),
        ("a.py", "x = 1  # There\n       # is no list.\n", []),
        ("a.py", "x = 1\n\n# Requests at\n# work.\n", ["a.py:3: at work → in progress, active or running"]),
        ("a.py", 'x = {"mood": mood}\n', []),
        ("a.py", 'x = "hanging\\nThere is no lock"\n', []),
        ("a.py", 'f"{x} is no {y}"\n', ["a.py:1: is no → is not a"]),
        ("a.py", 'x = (\n    "a"\n    "It mends it."\n)\n', ["a.py:3: mends → fix"]),
        ("a.py", 'def f():\n    """Good.\n\n    In a mood.\n    """\n', ["a.py:4: mood → scenario"]),
        ("a.yaml", "# Stock gunicorn", ["a.yaml:1: Stock → uvicorn's own"]),
        ("a.md", "Kubernetes and staging, and stock to sell. gunicorn leaves workers on the port.", []),
        ("tools/a.md", "A staging folder", ["tools/a.md:1: staging → scaffold"]),
        ("a.md", "Until the workers leave", ["a.md:1: workers leave → shut down"]),
        (
            "CHANGELOG.md",
            "`manners` is `scenarios`; no hurry",
            ["CHANGELOG.md:1: hurry → short of time, or stop at once"],
        ),
    ],
)
def test_the_rules_find_a_word_where_it_is_prose(name: str, text: str, found: list[str]) -> None:
    assert list(hits(name, prose(name, text))) == found
