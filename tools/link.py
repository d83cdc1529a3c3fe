# /// script
# requires-python = ">=3.13"
# dependencies = ["cookiecutter>=2.7"]
# ///
"""`make link template=… to=v1.4.0`: record which version of which template made this service.

For a service that was made where its template had no version, from a zip for example. What the template
asked stands in the service's files; where somebody has changed those, the answer is typed: `owner='Team A'`.
"""

import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tools.rendering import Json
from tools.service import PROJECT
from tools.template import STATE, Template, checked, fetched, questions, typed, write
from tools.terminal import CommandError, print_status, run_command

_LICENCES = {"MIT": "MIT License", "Apache-2.0": "Apache License", "Proprietary": "All rights reserved"}


def guessed() -> Json:
    """Read the answers from the service's files; None where a file has changed and does not show it."""
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    project, licence = pyproject["project"], _text("LICENSE")
    maintainers = [each["name"] for each in project.get("maintainers", ()) if "name" in each]
    return {
        "project_slug": project["name"],
        "description": project.get("description"),
        "project_name": pyproject.get("tool", {}).get("chassis", {}).get("title"),
        "owner": next(iter(maintainers), None),
        "python_version": _text(".python-version").strip() or None,
        "license": next((each for each, words in _LICENCES.items() if words in licence), None),
        "kubernetes": "yes" if (PROJECT / "deploy/kubernetes").exists() else "no",
    }


def _text(name: str) -> str:
    return (PROJECT / name).read_text("utf-8") if (PROJECT / name).exists() else ""


def compared(made: Path) -> Iterator[bool]:
    """Tell of each file that the template makes whether it stands here as it was made."""
    for path in filter(Path.is_file, made.rglob("*")):
        here = PROJECT / path.relative_to(made)
        yield here.is_file() and here.read_bytes() == path.read_bytes()


def link(url: str, version: str, given: dict[str, str]) -> None:
    if (PROJECT / STATE).exists():
        raise CommandError(
            f"This service is linked to its template already. To link it again, first type: rm {STATE}"
        )
    if not url or not version:
        raise CommandError(
            "A link needs both: make link template=<its URL> to=<the version that made this service>"
        )
    with tempfile.TemporaryDirectory() as name:
        template = fetched(url)
        commit = template.commit(version)
        state = template.render(commit, known(template, commit, given), Path(name, "made"))
        same, linked = list(compared(Path(name, "made"))), template.name(commit)
    write(state | {"checkout": version})
    print_status(
        f"Linked to {linked}: {sum(same)} of {len(same)} files are unchanged since then. Commit {STATE}."
    )


def known(template: Template, commit: str, given: dict[str, str]) -> Json:
    asked = questions(template, commit)
    found = {name: answer for name, answer in (guessed() | given).items() if answer is not None}
    if missing := [name for name in asked if name not in found]:
        raise CommandError(f"No file here shows what {missing[0]} was. Type it: make link … {missing[0]}='…'")
    return checked(found, asked, template.name(commit))


def main() -> int:
    given = typed()
    link(given.pop("template", ""), given.pop("to", ""), given)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
