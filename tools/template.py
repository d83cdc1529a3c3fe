"""The template that this service was made of: which versions it has, and what each of them makes.

`.cruft.json` says where it is and which version the service has; cruft's own commands read it too.
"""

import io
import json
import os
import re
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools.rendering import Json, render
from tools.service import PROJECT
from tools.terminal import CommandError

STATE = ".cruft.json"
HOW_TO_LINK = "make link template=<its URL> to=<the version that made this service>"
CONTEXT = "cookiecutter"  # Under this name cruft keeps what the template had to work with.
OF_THIS_MACHINE = ("_checkout", "_output_dir", "_repo_dir")
_RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def linked() -> Json:
    """Read which version of which template this service has."""
    path = PROJECT / STATE
    if not path.exists():
        raise CommandError(f"This service is not linked to its template. Type: {HOW_TO_LINK}")
    try:
        state: Json = json.loads(path.read_text("utf-8"))
        state["template"], state["commit"], state["context"][CONTEXT].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"{STATE} is damaged ({error!r}). Type: git restore {STATE}") from error
    return state


def answers(state: Json) -> Json:
    return {name: given for name, given in state["context"][CONTEXT].items() if not name.startswith("_")}


def write(state: Json) -> None:
    """Write what cruft would, byte for byte."""
    text = json.dumps(state, ensure_ascii=False, indent=2, separators=(",", ": "))
    (PROJECT / STATE).write_text(f"{text}\n", "utf-8")


@dataclass(frozen=True)
class Template:
    """A clone with all versions, which the service has fetched anew."""

    url: str
    clone: Path

    def ask(self, *arguments: str) -> str | None:
        command = ["git", "--git-dir", str(self.clone), *arguments]
        done = subprocess.run(command, capture_output=True, check=False)
        return None if done.returncode else done.stdout.decode().strip()

    def releases(self) -> list[str]:
        """All released versions, the newest first; a pre-release (v2.0.0-rc1) is none."""
        found = filter(None, map(_RELEASE.fullmatch, (self.ask("tag", "--list", "v*") or "").splitlines()))
        return [
            each[0] for each in sorted(found, key=lambda each: tuple(map(int, each.groups())), reverse=True)
        ]

    def newest(self) -> str:
        return next(iter(self.releases()), "HEAD")

    def commit(self, version: str) -> str:
        found = self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{version}^{{commit}}")
        if not found:
            there = ", ".join(self.releases()[:5]) or "none is released"
            raise CommandError(f"{self.url} has no version {version} (the newest: {there})")
        return found

    def contains(self, commit: str, earlier: str) -> bool:
        return self.ask("merge-base", "--is-ancestor", earlier, commit) is not None

    def name(self, commit: str) -> str:
        """Name a commit as people do: v1.4.0, or v1.4.0-3-g1a2b3c4 three commits later."""
        return self.ask("describe", "--tags", "--match", "v*", "--always", commit) or commit

    def text(self, commit: str, path: str) -> str:
        return self.ask("show", f"{commit}:{path}") or ""

    def render(self, commit: str, given: Json, folder: Path) -> Json:
        """Make a service of a version in `folder`, and return its `.cruft.json`, which is not left there."""
        parent = folder.with_name(f".{folder.name}")
        self._unpack(commit, parent / "template")
        try:
            made, used = render(parent / "template", given, parent / "rendered")
        except CommandError as refusal:
            raise CommandError(f"{self.name(commit)} rejects these answers: {refusal}") from refusal
        made.rename(folder)
        kept = {name: answer for name, answer in used.items() if name not in OF_THIS_MACHINE}
        context = {CONTEXT: {**kept, "_template": self.url, "_commit": commit}}
        return {
            "template": self.url,
            "commit": commit,
            "checkout": commit,
            "context": context,
            "directory": None,
        }

    def _unpack(self, commit: str, folder: Path) -> None:
        command = ["git", "--git-dir", str(self.clone), "archive", "--format=tar", commit]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise CommandError(
                f"{self.url} cannot be read at {self.name(commit)}. Its repository may be damaged"
            )
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")


def fetched(url: str) -> Template:
    """Return the template whose clone the service has made; it runs us with the name of that."""
    return Template(url, Path(os.environ["TEMPLATE_CLONE"]))


def questions(template: Template, commit: str) -> Json:
    asked = json.loads(template.text(commit, f"{CONTEXT}.json") or "{}")
    return {name: default for name, default in asked.items() if not name.startswith("_")}


def checked(given: Json, asked: Json, version: str) -> Json:
    """Return the answers that a version asks for; a choice that it does not offer is refused."""
    for name, answer in given.items():
        choices = asked.get(name)
        if isinstance(choices, list) and answer not in choices:
            raise CommandError(
                f"{name}={answer} is not a choice of {version}. Choose one of: {', '.join(choices)}"
            )
    return {name: answer for name, answer in given.items() if name in asked}


def typed() -> dict[str, str]:
    """Return the variables that were typed after `make`; the environment has others, which nobody typed."""
    _, _, flags = f" {os.environ.get('MAKEFLAGS', '')}".partition(" -- ")
    names = [word.partition("=")[0] for word in re.findall(r"(?:[^\\ ]|\\.)+", flags)]
    return {name: os.environ[name] for name in names if name in os.environ}


def skipped(folder: Path) -> list[Path]:
    """What updates leave alone, as `[tool.cruft] skip` of pyproject.toml says."""
    tool = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8")).get("tool", {})
    return [path for pattern in tool.get("cruft", {}).get("skip", ()) for path in folder.glob(pattern)]
