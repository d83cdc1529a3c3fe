"""`make release-notes tag=v1.2.0`: what the changelog says of a version.

A version without a section, or with one that is not released, is an error.
"""

import os
import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def notes(changelog: str, tag: str) -> str:
    version = re.escape(tag.removeprefix("v"))
    section = rf"^## {version}(?P<when> [^\n]*)?\n(?P<text>.*?)(?=^## |\Z)"
    found = re.search(section, changelog, re.MULTILINE | re.DOTALL)
    if not found or "unreleased" in (found["when"] or ""):
        sys.exit(f"CHANGELOG.md has no released section of {tag}")
    return found["text"].strip()


if __name__ == "__main__":
    print(notes(CHANGELOG.read_text(), os.environ.get("tag", "")))  # noqa: SIM112 - As it stands after `make`.
