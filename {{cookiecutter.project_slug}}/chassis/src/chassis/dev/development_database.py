"""The database of `make dev` as it is: started if nothing runs it, and not migrated."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from chassis.dev.database import URL, own_database
from chassis.dev.postgres import HOME, url_of_running

DIRECT_URL = "APP_DATABASE__DIRECT_URL"


@contextmanager
def development_database() -> Iterator[str]:
    """Yield its URL, which all child processes get too."""
    with ExitStack() as stack:
        url = url_of_running(HOME) or stack.enter_context(own_database()).url
        for name in [each for each in os.environ if each.upper() in (URL, DIRECT_URL)]:
            del os.environ[name]
        # Both, because a secret file with a direct URL would lead migrations to another database.
        os.environ.update({URL: url, DIRECT_URL: url})
        yield url
