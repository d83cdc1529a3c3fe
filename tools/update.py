# /// script
# requires-python = ">=3.13"
# dependencies = ["cookiecutter>=2.7"]
# ///
"""`make update`: merge the changes of the template into the working tree, as one change to review.

    make update to=v1.4.0 kubernetes=yes

The exit code is 2 if it changed nothing because of an error, and 1 if there are conflicts to resolve.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import changelog, new_migrations
from tools.merge import Merged, git, merge, refuse_unless_clean
from tools.rendering import Json
from tools.service import PROJECT
from tools.template import STATE, Template, answers, checked, fetched, linked, questions, typed, write
from tools.terminal import CommandError, print_error, print_status, run_command, undisturbed

LOCK_SECONDS = 120
VERSIONS = "migrations/versions"


def update(to: str, changed: dict[str, str]) -> int:
    refuse_unless_clean()
    state = linked()
    with tempfile.TemporaryDirectory() as name:
        template = fetched(state["template"])
        old, new = template.commit(state["commit"]), template.commit(to or template.newest())
        if not changed and (template.contains(old, new) if not to else old == new):
            print_status(f"This service is up to date with {template.name(new)}")
            return 0
        given = chosen(template, new, answers(state), changed)
        template.render(old, answers(state), Path(name, "old"))
        rendered = template.render(new, given, Path(name, "new"))
        found = changelog.news(template.text(old, "CHANGELOG.md"), template.text(new, "CHANGELOG.md"))
        names = (template.name(old), template.name(new))
        with undisturbed():
            refuse_unless_clean()  # Another update may have been quicker.
            merged = merge(Path(name, "old"), Path(name, "new"), f"Update the template to {names[1]}")
            settle(state, rendered, to or template.newest(), merged)
    if "pyproject.toml" not in merged.conflicts:
        lock()
    report(names, merged, changelog.by_hand(found))
    return 1 if merged.conflicts else 0


def chosen(template: Template, commit: str, given: Json, changed: dict[str, str]) -> Json:
    asked = questions(template, commit)
    if unknown := changed.keys() - asked.keys():
        raise CommandError(
            f"{min(unknown)}=… is neither to=… nor a question of the template: {', '.join(asked)}"
        )
    return checked(given | changed, asked, template.name(commit))


def settle(state: Json, rendered: Json, version: str, merged: Merged) -> None:
    """Say in `.cruft.json` what the service has now, and put new migrations after the service's own."""
    write(state | rendered | {"checkout": None if version == "HEAD" else version})
    new = [Path(path).name for path in merged.new if path.startswith(f"{VERSIONS}/")]
    moved = new_migrations.append(PROJECT / VERSIONS, new) if new else []
    git("add", "--", STATE, *(f"{VERSIONS}/{name}" for name in moved))


def lock() -> None:
    """Bring uv.lock into step with pyproject.toml; what it has already stays at its version."""
    if not (PROJECT / "uv.lock").exists():
        return
    try:
        command = [os.environ.get("UV", "uv"), "lock", "--quiet"]
        subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=LOCK_SECONDS, check=True)
        git("add", "--update", "--", "uv.lock")
    except (OSError, subprocess.SubprocessError):
        print_error("Cannot update uv.lock. When there is a network, type: uv lock")


def report(names: tuple[str, str], merged: Merged, by_hand: list[str]) -> None:
    print_status(f"Updated from {names[0]} to {names[1]}; nothing is committed yet.")
    if merged.left_out:
        print_status(f"\nSkipped, because this service has deleted them: {', '.join(merged.left_out)}")
    if by_hand:
        print_status("\nChanges to make by hand, from the changelog:\n\n" + "\n".join(by_hand))
    if merged.conflicts:
        print_status(
            "\nBoth you and the template have changed these files. Resolve the conflicts, "
            "then git add each:\n"
        )
        print_status("\n".join(f"    {path}" for path in merged.conflicts))
    print_status(
        "\nNext:\n\n    git diff HEAD\n    make check\n    git commit\n\nTo undo it: git reset --hard"
    )


def main() -> int:
    changed = typed()
    try:
        return update(changed.pop("to", ""), changed)
    except KeyboardInterrupt:
        is_merged = bool(git("status", "--porcelain"))
        raise KeyboardInterrupt(
            "Stopped. The update is merged; now type: uv lock" if is_merged else ""
        ) from None


if __name__ == "__main__":
    sys.exit(run_command(main))
