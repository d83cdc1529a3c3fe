"""Fixtures for the tests of a service: `pytest_plugins = ["chassis.testing"]` in its `tests/conftest.py`.

It is a plugin and not an entry point, because pytest would import an entry point before coverage starts. A
service gives it two fixtures, `settings` and `app`. From the plugin come

    client             the application on a real PostgreSQL; what a test writes is rolled back
    committing_client  the same on the pools themselves, for what one transaction cannot show; tables are emptied after
    state, committed   what the lifespan opened, for `client_for(state)`; the second one empties the tables after
    database           the application's database, on one connection that is rolled back
    database_settings  those of the test database, which has the service's migrations
    emptied_url        the URL of that database, for another process; tables are emptied after

and the server is one for the run: `TEST_DATABASE_URL` names it, or a throwaway one starts. A setting that has no
default has the value that `.env.example` gives.
"""

from chassis.testing._application import (
    ClientFactory,
    OneConnection,
    anyio_backend,
    client,
    client_for,
    committed,
    committing_client,
    database,
    opened,
    restored_logging,
    state,
    with_state,
)
from chassis.testing._database import database_settings, emptied_url, migrated_url
from chassis.testing._environment import clean_environment, project, pytest_collection_modifyitems
from chassis.testing._postgres import (
    database_url,
    pytest_configure_node,
    pytest_unconfigure,
    query,
    server_url,
)
from chassis.testing._server_process import PATIENCE, ServerProcess, free_port
from chassis.testing._stand_in import Answer, StandIn

__all__ = [
    "PATIENCE",
    "Answer",
    "ClientFactory",
    "OneConnection",
    "ServerProcess",
    "StandIn",
    "anyio_backend",
    "clean_environment",
    "client",
    "client_for",
    "committed",
    "committing_client",
    "database",
    "database_settings",
    "database_url",
    "emptied_url",
    "free_port",
    "migrated_url",
    "opened",
    "project",
    "pytest_collection_modifyitems",
    "pytest_configure_node",
    "pytest_unconfigure",
    "query",
    "restored_logging",
    "server_url",
    "state",
    "with_state",
]
