"""Settings from the environment: what is right is read, what is wrong is said in one line each."""

import os
import re
from pathlib import Path
from typing import Literal, Self

import pytest
from pydantic import Field, SecretStr, ValidationError, model_validator

from chassis import settings as environment
from chassis.database import DatabaseSettings
from chassis.settings import SettingsGroup, variables
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


WRONG = [
    *("", " ", "nonsense", "-1", "1e400", "nan", "10.0.0.0/33", "10.0.0.1/8,nonsense", "null", "true", "[", "{}"),
    *('{"a": 1}', "http://", "é", "\x01", "a\nb", "/nonexistent", "x" * 3000, "-----BEGIN CERTIFICATE-----\n" * 60),
]


@pytest.mark.parametrize("name", variables(Settings))
def test_a_wrong_value_has_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for value in WRONG:
        monkeypatch.setenv("APP_DATABASE__URL", URL)
        monkeypatch.setenv("APP_SERVER__TLS__CERTFILE", "certificate.pem")
        monkeypatch.setenv(name, value)
        try:
            Settings.load()
        except SystemExit:
            [line] = capsys.readouterr().err.splitlines()
            assert re.match(rf"configuration: (APP_[A-Z_0-9]+ .*)?\b{name}[: ]", line), line
            assert not re.search(r"value error|function|lax|json-or|literal\[|__ip", line, re.IGNORECASE), line


def test_a_wrong_proxy_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    monkeypatch.setenv("APP_SERVER__TRUSTED_PROXIES", "10.0.0.0/33, 10.0.0.1/8, unix")
    [line] = refusal(capsys)
    first, second = line.split("; ")
    assert (
        first
        == """configuration: APP_SERVER__TRUSTED_PROXIES: '10.0.0.0/33' is not an address, a network, or "unix\""""
    )
    assert second == "10.0.0.1/8 has host bits set"


def test_what_a_group_needs_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    monkeypatch.setenv("APP_SERVER__TLS__KEYFILE", "key.pem")
    assert refusal(capsys) == ["configuration: APP_SERVER__TLS__CERTFILE: is missing"]


def test_settings_that_disagree_are_named_in_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APP_DATABASE__URL", URL)
    monkeypatch.setenv("APP_SERVER__DEADLINE", "15")
    assert refusal(capsys) == [
        "configuration: APP_SERVER__DEADLINE (15 s) must be less than APP_SERVER__GRACEFUL_SHUTDOWN (15 s)"
    ]


class LabelsSettings(SettingsGroup):
    names: list[str] = Field(default_factory=list)
    colours: dict[str, int] = Field(default_factory=dict)
    size: int | Literal["any"] = "any"

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.size == 7:
            raise ValueError("seven is too many")
        return self


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("NAMES", "a,b", "NAMES: is not valid JSON"),
        ("NAMES", "[1, 2]", "NAMES: Input should be a valid string"),
        ("COLOURS", '{"red": 1.5}', "COLOURS: Input should be a valid integer, got a number with a fractional part"),
        (
            "SIZE",
            "many",
            "SIZE: Input should be a valid integer, unable to parse string as an integer; Input should be 'any'",
        ),
    ],
)
def test_a_wrong_part_of_a_value_is_named_as_the_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(f"APP_LABELS__{name}", value)
    with pytest.raises(SystemExit):
        environment.load_group("labels", LabelsSettings)
    assert capsys.readouterr().err.splitlines() == [f"configuration: APP_LABELS__{problem}"]


def test_a_message_that_names_no_setting_has_the_groups_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APP_LABELS__SIZE", "7")
    with pytest.raises(SystemExit):
        environment.load_group("labels", LabelsSettings)
    assert capsys.readouterr().err.splitlines() == ["configuration: APP_LABELS: seven is too many"]


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
