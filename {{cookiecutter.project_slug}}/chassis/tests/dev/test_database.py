import pytest

from chassis.dev.database import URL, is_named, shown, without_password


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("postgresql://me:secret@host:5432/name", "postgresql://me@host:5432/name"),
        ("postgresql://host/name", "postgresql://host/name"),
        ("postgresql://me:s%40cr@t@host/name?sslmode=require", "postgresql://me@host/name?sslmode=require"),
        ("postgresql://me@/name?host=/run&password=secret&sslpassword=secret", "postgresql://me@/name?host=/run"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, url)

    assert without_password(url) == without
    assert shown() == f"psql '{without}'"


def test_a_database_is_named_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL, raising=False)
    assert not is_named()

    monkeypatch.setenv(URL.lower(), "postgresql://host/name")
    assert is_named()
