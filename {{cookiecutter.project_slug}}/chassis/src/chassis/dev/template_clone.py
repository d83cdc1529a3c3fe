"""The template of this service: which one it is, and its clones."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chassis.dev.project import PROJECT
from chassis.dev.terminal import CommandError

STATE = ".cruft.json"
HOW_TO_LINK = "make link template=<its URL> to=<the version that made this service>"
CLONE_SECONDS = 120
_HOSTS = {"gh": "https://github.com/{}.git", "gl": "https://gitlab.com/{}.git", "bb": "https://bitbucket.org/{}"}
_RELEASE = re.compile(r"v\d+\.\d+\.\d+")  # A pre-release (v2.0.0-rc1) is none.


@dataclass(frozen=True)
class Origin:
    url: str
    """A URL, or the path of a folder."""
    commit: str


def origin() -> Origin:
    """Read which version of which template this service has."""
    path = PROJECT / STATE
    if not path.exists():
        raise CommandError(f"This service is not linked to its template. Type: {HOW_TO_LINK}")
    try:
        state = json.loads(path.read_text("utf-8"))
        state["context"]["cookiecutter"].items()
        return Origin(expanded(state["template"]), state["commit"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"{STATE} is damaged ({error!r}). Type: git restore {STATE}") from error


def expanded(url: str) -> str:
    """Write out a URL that begins as cookiecutter abbreviates them: gh:owner/template."""
    host, _, path = url.partition(":")
    return _HOSTS[host].format(path) if host in _HOSTS else url


def with_commit(made_by: Origin) -> Path:
    """Return a clone that has the commit; no network where there is one."""
    return next((each for each in _clones(made_by) if _has(each, made_by.commit)), None) or _cached(made_by)


def clone(url: str, folder: Path) -> Path:
    """Clone it anew: what stands in some cache may be old, edited or broken."""
    command = ["git", "clone", "--quiet", "--bare", "--", url, str(folder)]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=CLONE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            f"Cannot clone the template from {url}: no answer within {CLONE_SECONDS} s. Check the network"
        ) from error
    if done.returncode:
        # The first such line has the reason; advice may follow.
        why = re.search(r"^(?:fatal|error): (.*)", done.stderr, re.MULTILINE)
        because = why[1] if why else "git fails"
        raise CommandError(
            f"Cannot clone the template from {url} ({because}). Check the network and the URL in {STATE}"
        )
    return folder


def commit_of(repository: Path, version: str) -> str:
    """Return the commit of a version; of the newest, if none is given or there is no such one."""
    tags = git(repository, "tag", "--list", "--sort=-version:refname", "v*").stdout.decode().split()
    for each in (version, *filter(_RELEASE.fullmatch, tags), "HEAD"):
        found = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{each}^{{commit}}")
        if each and not found.returncode:
            return found.stdout.decode().strip()
    raise CommandError("The template has no commit: its URL leads to an empty repository")


def git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=False)


def _clones(made_by: Origin) -> Iterator[Path]:
    """Where the template may lie: the path itself, what cookiecutter and cruft have cloned, what we have."""
    name = made_by.url.rstrip("/").rpartition("/")[2].removesuffix(".git")
    yield Path(made_by.url).expanduser()
    yield Path("~/.cookiecutters").expanduser() / name
    yield _own(made_by)


def _own(made_by: Origin) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    number = hashlib.sha256(made_by.url.encode()).hexdigest()[:16]
    return cache / "cookiecutter-fastapi-microservice" / "templates" / f"{number}.git"


def _has(repository: Path, commit: str) -> bool:
    # A damaged clone does not have the commit; another one may.
    archive = ("archive", "--format=tar", commit, "cookiecutter.json")
    return repository.is_dir() and not git(repository, *archive).returncode


def _cached(made_by: Origin) -> Path:
    """Fetch it beside the old clone, which goes only when the new one is whole."""
    own = _own(made_by)
    own.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=own.parent) as unfinished:
        fetched = clone(made_by.url, Path(unfinished) / own.name)
        if not _has(fetched, made_by.commit):
            raise CommandError(f"The template {made_by.url} has no commit {made_by.commit[:12]}; type: make update")
        shutil.rmtree(own, ignore_errors=True)
        fetched.rename(own)
    return own
