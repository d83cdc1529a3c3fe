"""The template that made this service, at the commit that made it: from where it lies already, or else fetched once."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cookiecutter.config import get_user_config
from cookiecutter.repository import expand_abbreviations

from dev.programs import CannotStart
from dev.template import linked


@dataclass(frozen=True)
class Origin:
    template: str
    """A URL, or the path of a folder."""
    commit: str

    @property
    def short(self) -> str:
        return self.commit[:12]


def origin() -> Origin:
    kept = linked()
    return Origin(expand_abbreviations(kept["template"], get_user_config()["abbreviations"]), kept["commit"])


def unpack(made_by: Origin, folder: str, into: Path) -> Path:
    """Put a folder of the template, as it was at that commit, into another; no network where a clone has it."""
    for repository in _clones(made_by):
        if _has(repository, made_by.commit):
            return _unpacked(repository, made_by, folder, into)
    return _unpacked(_fetched(made_by), made_by, folder, into)


def _clones(made_by: Origin) -> Iterator[Path]:
    """Where the template may lie: the path itself, what cookiecutter and cruft have cloned, what we have."""
    name = made_by.template.rstrip("/").rpartition("/")[2].removesuffix(".git")
    if (local := Path(made_by.template).expanduser()).is_dir():
        yield local
    yield Path(get_user_config()["cookiecutters_dir"]) / name
    yield _own(made_by)


def _own(made_by: Origin) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    number = hashlib.sha256(made_by.template.encode()).hexdigest()[:16]
    return cache / "cookiecutter-fastapi-microservice" / "templates" / f"{number}.git"


def _has(repository: Path, commit: str) -> bool:
    # A clone that is damaged has not: another one may.
    return (
        repository.is_dir() and not _git(repository, "archive", "--format=tar", commit, "cookiecutter.json").returncode
    )


def _fetched(made_by: Origin) -> Path:
    """Clone it anew beside the old clone, which goes only when the new one is whole."""
    own = _own(made_by)
    own.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=own.parent) as unfinished:
        clone = Path(unfinished) / own.name
        done = _git(own.parent, "clone", "--quiet", "--bare", "--", made_by.template, str(clone))
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["git says nothing"]
            raise CannotStart(
                f"the template {made_by.template} cannot be fetched ({said[-1]}); with a network, type it again"
            )
        if not _has(clone, made_by.commit):
            raise CannotStart(f"the template {made_by.template} has no commit {made_by.short}; type: make update")
        shutil.rmtree(own, ignore_errors=True)
        clone.rename(own)
    return own


def _unpacked(repository: Path, made_by: Origin, folder: str, into: Path) -> Path:
    done = _git(repository, "archive", "--format=tar", made_by.commit, folder)
    if done.returncode:
        raise CannotStart(
            f"version {made_by.short} of the template, which made this service, has no {folder}/; type: make update"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(into, filter="data")
    return into / folder


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
