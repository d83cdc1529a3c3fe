"""Migrations that an update has brought come after the service's own: a database may have those already.

The template's chain knows nothing of them, so both begin at the same migration, or at one that was deleted here.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_REVISION = re.compile(r'^revision(?:: \w+)? = "(\w+)"', re.MULTILINE)
_AFTER = re.compile(r'^(down_revision(?:: [\w |]+)? = )(?:None|"(\w+)")', re.MULTILINE)


def append(folder: Path, names: Iterable[str]) -> list[str]:
    """Put those that start a branch after the last one of the others, and return the names of what was changed."""
    new = {name for name in names if (folder / name).suffix == ".py"}
    texts = {path.name: path.read_text() for path in sorted(folder.glob("*.py"))}
    others = {name: text for name, text in texts.items() if name not in new}
    last = _heads(others.values())
    ours = {_revision(texts[name]) for name in new}
    starts = [name for name in sorted(new) if _after(texts[name]) not in ours | set(last)]
    if len(last) != 1 or len(starts) != 1:
        return []  # In line already, or too much of a tangle to guess: `alembic heads` and the check name it.
    path = folder / starts[0]
    before = _after(texts[path.name]) or ""
    text = _AFTER.sub(lambda found: f'{found[1]}"{last[0]}"', texts[path.name], count=1)
    path.write_text(re.sub(rf"^Revises: ?{before}$", f"Revises: {last[0]}", text, count=1, flags=re.MULTILINE))
    return starts


def _heads(texts: Iterable[str]) -> list[str]:
    chain = {_revision(text): _after(text) for text in texts}
    return [revision for revision in chain if revision not in chain.values()]


def _revision(text: str) -> str:
    found = _REVISION.search(text)
    return found[1] if found else ""


def _after(text: str) -> str | None:
    found = _AFTER.search(text)
    return found[2] if found else None
