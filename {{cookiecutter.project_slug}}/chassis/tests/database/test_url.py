import pytest

from chassis.database._url import normalized


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
@pytest.mark.parametrize(
    "rest",
    [
        "user:pass@db.example:5432/orders?sslmode=verify-full&sslrootcert=/dev/null",
        "user@localhost/orders",
        "user@/orders?host=/run/postgresql",
        "/orders?host=/run/postgresql",
        "[::1]:5432/orders",
    ],
)
def test_urls_as_people_have_them(scheme: str, rest: str) -> None:
    assert normalized(f"{scheme}://{rest}") == f"postgresql://{rest}"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "is not a PostgreSQL URL"),
        ("db.example:5432/orders", "is not a PostgreSQL URL"),
        ("mysql://user:hunter2@db/orders", "is not a PostgreSQL URL"),
        ("postgresql+psycopg2://user:hunter2@db/orders", "is not a PostgreSQL URL"),
        ("postgresql://user:hunter2@db:port/orders", "port that cannot be read"),
        ("postgresql://user:hunter2@[db/orders", "port that cannot be read"),
        ("postgresql://user:hunter2@db", "names no database"),
        ("postgresql://user:hunter2@db/?sslmode=require", "names no database"),
        ("postgresql://user:hunter2@db/orders?sslmode=yes", "unknown sslmode"),
        ("postgresql://user:hunter2@db/orders?sslmode=verify-full&sslrootcert=/nowhere", "cannot be read"),
    ],
)
def test_a_wrong_url_is_rejected_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        normalized(url)
    assert "hunter2" not in str(refusal.value)
