# /// script
# requires-python = ">=3.13"
# dependencies = []
# ///
"""`make outdated`: show how far this service is behind its template, and the changelog since then."""

import sys

from tools import changelog
from tools.template import Template, fetched, linked
from tools.terminal import print_status, run_command


def described(template: Template, old: str, new: str) -> str:
    """Describe the distance in releases, or in commits if there was no release."""
    releases = [each for each in template.releases() if not template.contains(old, each)]
    number, unit = len(releases), "release"
    if not releases:
        number, unit = int(template.ask("rev-list", "--count", f"{old}..{new}") or 0), "commit"
    distance = f"{number} {unit}{'' if number == 1 else 's'} behind"
    return (
        f"This service has {template.name(old)} of its template, {distance} {template.name(new)}: make update"
    )


def main() -> int:
    state = linked()
    template = fetched(state["template"])
    old, new = template.commit(state["commit"]), template.commit(template.newest())
    if template.contains(old, new):
        print_status(f"This service has the newest version of its template: {template.name(new)}")
        return 0
    print_status(described(template, old, new))
    texts = (template.text(commit, "CHANGELOG.md") for commit in (old, new))
    print_status(changelog.shown(changelog.news(*texts)))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
