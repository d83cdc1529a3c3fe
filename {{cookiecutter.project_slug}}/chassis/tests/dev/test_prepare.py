import asyncio

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from chassis.database import DatabaseSettings
from chassis.dev.prepare import connect
from chassis.dev.terminal import CommandError


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    url = "postgresql://me:secret@127.0.0.1:1/orders"
    settings = DatabaseSettings(url=SecretStr(url))

    with pytest.raises(CommandError, match="Connect call failed") as error:
        asyncio.run(connect(settings))

    message = str(error.value)
    assert message.startswith(f"Cannot connect to the database: {url.replace(':secret', '')}: ")
    assert "secret" not in message
    assert "\n" not in message


def test_a_missing_database_is_said(server_url: str) -> None:
    url = make_url(server_url).set(database="no_such_database").render_as_string(hide_password=False)
    settings = DatabaseSettings(url=SecretStr(url))

    with pytest.raises(CommandError, match='database "no_such_database" does not exist'):
        asyncio.run(connect(settings))
