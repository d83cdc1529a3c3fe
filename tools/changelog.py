"""What the template's changelog says that it did not say in an older version."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

_BLOCK = re.compile(r"^(?:#+ .*|[^\s#].*(?:\n(?!- |#|\s*$).+)*)", re.MULTILINE)


class Entry(NamedTuple):
    version: str  # "1.4.0 (2026-12-01)"
    part: str  # What it is about, such as "What needs a hand".
    text: str


def entries(changelog: str) -> Iterator[Entry]:
    version = part = ""
    for block in _BLOCK.findall(changelog):
        level, _, title = block.partition(" ")
        if level == "##":
            version, part = title, ""
        elif level == "###":
            part = title
        elif version:
            yield Entry(version, part, block)


def news(old: str, new: str) -> list[Entry]:
    """The entries that are new, in their order; a section may have got its date since."""
    known = {entry.text for entry in entries(old)}
    return [entry for entry in entries(new) if entry.text not in known]


def shown(found: list[Entry]) -> str:
    lines = []
    for version, of_version in groupby(found, lambda entry: entry.version):
        lines.append(f"\n{version}")
        for part, of_part in groupby(of_version, lambda entry: entry.part):
            lines += [f"\n{part}:"] if part else []
            lines += [entry.text for entry in of_part]
    return "\n".join(lines)


def by_hand(found: list[Entry]) -> list[str]:
    return [entry.text for entry in found if "hand" in entry.part.lower()]
