import pytest
from pydantic import ValidationError

from chassis.server import ServerSettings
from chassis.tls import TLSSettings


def test_the_defaults_agree() -> None:
    settings = ServerSettings()
    assert settings.keep_alive > 60
    assert settings.bind == "127.0.0.1:8000"
    settings.agree_with(statement_timeout=5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"deadline": 15}, "DEADLINE (15 s) must be less than GRACEFUL_SHUTDOWN (15 s)"),
        (
            {"drain": 9},
            "DRAIN + LAME_DUCK + GRACEFUL_SHUTDOWN (25 s) must be less than GRACEFUL_TIMEOUT (25 s)",
        ),
        ({"graceful_timeout": 40}, "GRACEFUL_TIMEOUT (40 s) must be less than GRACE_PERIOD (30 s)"),
        ({"timeout": 16}, "LAME_DUCK + GRACEFUL_SHUTDOWN (16 s) must be less than TIMEOUT (16 s)"),
    ],
)
def test_two_times_that_disagree_are_named(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ServerSettings.model_validate(wrong)
    assert message in str(raised.value)


def test_a_statement_must_end_before_the_deadline() -> None:
    with pytest.raises(ValueError, match=r"STATEMENT_TIMEOUT \(10 s\) must be less than APP_SERVER__DEADLINE"):
        ServerSettings().agree_with(statement_timeout=10)


@pytest.mark.parametrize("bind", ["127.0.0.1:8000", "[::1]:8000", "unix:/run/app.sock", "fd://3"])
def test_a_place_to_listen(bind: str) -> None:
    assert ServerSettings(bind=bind).bind == bind


@pytest.mark.parametrize("bind", ["8000", "localhost", "", "127.0.0.1:http"])
def test_no_place_to_listen(bind: str) -> None:
    with pytest.raises(ValidationError):
        ServerSettings(bind=bind)


def test_proxies_are_addresses_networks_or_a_unix_socket() -> None:
    settings = ServerSettings.model_validate({"trusted_proxies": "10.0.0.0/8, 127.0.0.1,::1,unix"})
    assert [str(proxy) for proxy in settings.trusted_proxies] == ["10.0.0.0/8", "127.0.0.1/32", "::1/128", "unix"]


@pytest.mark.parametrize("proxies", ["*", "0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example"])
def test_not_everybody_is_a_proxy(proxies: str) -> None:
    with pytest.raises(ValidationError):
        ServerSettings.model_validate({"trusted_proxies": proxies})


def test_client_certificates_need_a_ca() -> None:
    with pytest.raises(ValidationError, match="CLIENT_CERTS is required, so CA_CERTS must be set"):
        TLSSettings.model_validate({"certfile": "x.pem", "client_certs": "required"})
