"""Settings from the environment: what is right is read, what is wrong is said in one line each."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from chassis import settings as environment
from chassis.database import DatabaseSettings
from example.settings import Settings

URL = "postgresql://user@localhost/orders"


@pytest.fixture(autouse=True)
def secret_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variable of this machine, and a secrets folder of the test's own."""
    for name in os.environ:
        if name.upper().startswith("APP_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(environment, "SECRETS", tmp_path)
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path)
    return tmp_path


def refusal(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as exit_:
        Settings.load()
    assert exit_.value.code == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", "postgres://user@localhost/orders")
    monkeypatch.setenv("APP_DATABASE__POOL_SIZE", "7")
    monkeypatch.setenv("app_database__pgbouncer", "true")
    monkeypatch.setenv("APP_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, unix")
    settings = Settings.load()
    assert settings.database.url.get_secret_value() == URL
    assert settings.database.pool_size == 7
    assert settings.database.pgbouncer is True
    assert [str(each) for each in settings.server.trusted_proxies] == ["10.0.0.0/8", "unix"]


def test_a_secret_comes_from_a_file_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, secret_files: Path
) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    (secret_files / "app_database__password").write_text("from the file\n")
    assert Settings.load().database.password == SecretStr("from the file")
    monkeypatch.setenv("APP_DATABASE__PASSWORD", "from the environment")
    assert Settings.load().database.password == SecretStr("from the environment")


def test_what_is_missing_is_named_to_the_leaf(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys) == ["configuration: APP_DATABASE__URL: is missing"]


def test_each_problem_has_its_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    monkeypatch.setenv("APP_DATABASE__POOL_SIZE", "many")
    monkeypatch.setenv("APP_DATABASE__POOL_TIMEOUT", "0")
    monkeypatch.setenv("APP_LOG__LEVEL", "loud")
    monkeypatch.setenv("APP_ENVIRONMENT", "prod")
    lines = refusal(capsys)
    named = ["APP_ENVIRONMENT", "APP_DATABASE__POOL_SIZE", "APP_DATABASE__POOL_TIMEOUT", "APP_LOG__LEVEL"]
    assert [line.split(": ")[1] for line in lines] == named
    assert all(line.startswith("configuration: APP_") for line in lines)


@pytest.mark.parametrize(
    "name", ["APP_FOO", "APP_DATABAS__URL", "APP_DATABASE__URLL", "app_database__urll", "APP_DATABASE", "APP_LOG__X__Y"]
)
def test_a_misspelt_name_is_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    monkeypatch.setenv(name, "x")
    assert refusal(capsys) == [f"configuration: {name}: no setting has this name"]


def test_a_misspelt_secret_file_is_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret_files: Path
) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    (secret_files / "app_database__pasword").write_text("hunter2")
    (secret_files / "another_programs_secret").write_text("hunter2")
    assert refusal(capsys) == ["configuration: app_database__pasword: no setting has this name"]


def test_no_refusal_and_no_representation_shows_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", "mysql://user:hunter2@db/orders")
    monkeypatch.setenv("APP_DATABASE__PASSWORD", "hunter2")
    assert "hunter2" not in "".join(refusal(capsys))
    monkeypatch.setenv("APP_DATABASE__URL", "postgresql://user:hunter2@db/orders")
    settings = Settings.load()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_settings_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    settings = Settings.load()
    with pytest.raises(ValidationError):
        setattr(settings, "environment", "development")  # noqa: B010 - The type checker refuses the plain assignment, as it should.
    with pytest.raises(ValidationError):
        setattr(settings.database, "pool_size", 1)  # noqa: B010 - As above.


def test_one_group_is_read_whatever_is_wrong_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    monkeypatch.setenv("APP_SERVER__WORKERS", "many")
    monkeypatch.setenv("APP_FOO", "x")
    assert environment.load_group("database", DatabaseSettings).url.get_secret_value() == URL


def test_one_group_is_rejected_for_what_is_wrong_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APP_DATABASE__URLL", URL)
    with pytest.raises(SystemExit) as exit_:
        environment.load_group("database", DatabaseSettings)
    assert exit_.value.code == 78
    assert capsys.readouterr().err.splitlines() == [
        "configuration: APP_DATABASE__URLL: no setting has this name",
        "configuration: APP_DATABASE__URL: is missing",
    ]
