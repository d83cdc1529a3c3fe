"""The database of development commands: the one that the settings name, or the project's own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM
from urllib.parse import urlsplit

from chassis.dev.postgres import HOME, Server, running_server
from chassis.dev.processes import run

URL = "APP_DATABASE__URL"
_SECRET = Path("/run/secrets", URL.lower())  # Where the service itself would look.


def is_named() -> bool:
    return _SECRET.exists() or any(name.upper() == URL for name in os.environ)


@contextmanager
def own_database() -> Iterator[Server]:
    """Run the project's own server for the length of the block, and name it to all child processes."""
    with running_server(HOME) as server:
        os.environ[URL] = server.url
        os.environ.pop("APP_DATABASE__DIRECT_URL", None)  # It names another database.
        yield server


def prepare(*, all_settings: bool = False) -> int:
    """Check the settings and migrate the database, in a process of its own; 0 if all is well."""
    options = ["--all-settings"] if all_settings else []
    return run([sys.executable, "-m", "chassis.dev.prepare", *options], stop=((SIGTERM, 3.0), (SIGKILL, 3.0)))


def shown() -> str:
    """Return the command that opens the database."""
    url = os.environ.get(URL)
    return f"psql '{without_password(url)}'" if url else f"the one that {_SECRET} names"


def without_password(url: str) -> str:
    """Return the URL without its passwords, for output."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = "&".join(part for part in parts.query.split("&") if not part.partition("=")[0].endswith("password"))
    return parts._replace(netloc=user.partition(":")[0] + at + host, query=query).geturl()
