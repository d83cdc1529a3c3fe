"""The template that this service was made of: where it is, which versions it has, and what each of them makes.

`.cruft.json` says where it is and which version the service has; cruft's own commands read it too.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.postgres import PROJECT

STATE = ".cruft.json"
HOW_TO_LINK = "make link template=<its URL> to=<the version it was made of>"
CONTEXT = "cookiecutter"  # Under this name cruft keeps what the template had to work with.
CLONE_SECONDS, RENDER_SECONDS = 120, 60
_RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")

type Json = dict[str, Any]


class Refused(Exception):
    """What is wrong and what to type next, in a line; nothing has been changed."""


def linked() -> Json:
    """Read which version of which template this service has."""
    path = PROJECT / STATE
    if not path.exists():
        raise Refused(f"This service does not know its template yet: {HOW_TO_LINK}")
    try:
        state: Json = json.loads(path.read_text("utf-8"))
        state["template"], state["commit"], context(state).items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{STATE} is damaged ({error!r}): git restore {STATE}") from error
    return state


def context(state: Json) -> Json:
    """Everything that the template had to make the service with: answers, and what it keeps for itself."""
    found: Json = state["context"][CONTEXT]
    return found


def answers(state: Json) -> Json:
    return {name: given for name, given in context(state).items() if not name.startswith("_")}


def write(state: Json) -> None:
    """Write what cruft would, byte for byte."""
    text = json.dumps(state, ensure_ascii=False, indent=2, separators=(",", ": "))
    (PROJECT / STATE).write_text(f"{text}\n", "utf-8")


@dataclass(frozen=True)
class Template:
    """A fresh clone: what stands in some cache may be old, edited or broken."""

    url: str
    clone: Path

    def ask(self, *arguments: str) -> str | None:
        command = ["git", "--git-dir", str(self.clone), *arguments]
        done = subprocess.run(command, capture_output=True, check=False)
        return None if done.returncode else done.stdout.decode().strip()

    def releases(self) -> list[str]:
        """All released versions, the newest first; a pre-release (v2.0.0-rc1) is none."""
        found = filter(None, map(_RELEASE.fullmatch, (self.ask("tag", "--list", "v*") or "").splitlines()))
        return [each[0] for each in sorted(found, key=lambda each: tuple(map(int, each.groups())), reverse=True)]

    def newest(self) -> str:
        return next(iter(self.releases()), "HEAD")

    def commit(self, version: str) -> str:
        found = self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{version}^{{commit}}")
        if not found:
            there = ", ".join(self.releases()[:5]) or "none is released"
            raise Refused(f"{self.url} has no version {version} (the newest: {there})")
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
        parent = folder.parent / f".{folder.name}"
        command = [sys.executable, "-m", "cruft", "create", str(self.clone), "--checkout", commit, "--no-input"]
        command += ["--default-config", "--output-dir", str(parent), "--extra-context", json.dumps(given)]
        done = subprocess.run(
            command,
            env={**os.environ, "SKIP_UV_LOCK": "1"},
            capture_output=True,
            text=True,
            timeout=RENDER_SECONDS,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip() or "cruft says nothing"
            raise Refused(f"{self.name(commit)} makes no service of these answers: {said.splitlines()[-1].strip()}")
        [made] = parent.iterdir()
        made.rename(folder)
        state: Json = json.loads((folder / STATE).read_text("utf-8"))
        (folder / STATE).unlink()
        state["template"] = context(state)["_template"] = self.url
        return state


def fetch(url: str, folder: Path) -> Template:
    command = ["git", "clone", "--quiet", "--bare", "--", url, str(folder)]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=CLONE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Refused(f"The template cannot be had from {url}: no answer within {CLONE_SECONDS} s") from error
    if done.returncode:
        # Advice of git's may follow; the first such line says what is wrong.
        why = re.search(r"^(?:fatal|error): (.*)", done.stderr, re.MULTILINE)
        because = why[1] if why else "git fails"
        raise Refused(f"The template cannot be had from {url} ({because}): is there a network, and is {STATE} right?")
    return Template(url, folder)


def questions(template: Template, commit: str) -> Json:
    asked = json.loads(template.text(commit, f"{CONTEXT}.json") or "{}")
    return {name: default for name, default in asked.items() if not name.startswith("_")}


def checked(given: Json, asked: Json, version: str) -> Json:
    """Return the answers that a version asks for; a choice that it does not offer is refused."""
    for name, answer in given.items():
        choices = asked.get(name)
        if isinstance(choices, list) and answer not in choices:
            raise Refused(f"{name}={answer} is no choice of {version}: {name}=… takes {', '.join(choices)}")
    return {name: answer for name, answer in given.items() if name in asked}


def typed() -> dict[str, str]:
    """Return the variables that were typed after `make`; the environment has others that we did not ask for."""
    _, _, flags = f" {os.environ.get('MAKEFLAGS', '')}".partition(" -- ")
    names = [word.partition("=")[0] for word in re.findall(r"(?:[^\\ ]|\\.)+", flags)]
    return {name: os.environ[name] for name in names if name in os.environ}


def skipped(folder: Path) -> list[Path]:
    """What updates leave alone, as `[tool.cruft] skip` of pyproject.toml says."""
    tool = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8")).get("tool", {})
    return [path for pattern in tool.get("cruft", {}).get("skip", ()) for path in folder.glob(pattern)]
