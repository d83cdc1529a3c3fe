"""Puts the migrations of an update after the service's own, which a database may have already.

In the template both follow the same migration, or one that this service has deleted.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_REVISION = re.compile(r"^revision\b[^=\n]*= [\"'](\w+)", re.MULTILINE)
_AFTER = re.compile(
    r"^(down_revision\b[^=\n]*= )(.*)$", re.MULTILINE
)  # One, None, or several that are merged.


def append(folder: Path, names: Iterable[str]) -> list[str]:
    """Put the one that starts a branch after the last of the others; return the names of what was changed."""
    texts = {path.name: path.read_text() for path in sorted(folder.glob("*.py"))}
    new = {name: texts.pop(name) for name in sorted(names) if name in texts}
    last = set(map(_revision, texts.values())) - {each for text in texts.values() for each in _after(text)}
    known = last | set(map(_revision, new.values()))
    starts = [name for name, text in new.items() if not _after(text) or not _after(text) <= known]
    if len(last) != 1 or len(starts) != 1:
        return []  # In order already, or too complex; then a check of the service fails.
    [name], [head] = starts, last
    text = _AFTER.sub(rf'\g<1>"{head}"', new[name], count=1)
    text = re.sub(r"^Revises:.*$", f"Revises: {head}", text, count=1, flags=re.MULTILINE)
    (folder / name).write_text(text)
    return starts


def _revision(text: str) -> str:
    found = _REVISION.search(text)
    return found[1] if found else ""


def _after(text: str) -> set[str]:
    found = _AFTER.search(text)
    return set(re.findall(r"[\"'](\w+)[\"']", found[2])) if found else set()
