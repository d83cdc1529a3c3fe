"""Database URLs in the forms in use: `postgres://` of a platform, `postgresql+asyncpg://` of a tutorial."""

import os
from urllib.parse import parse_qsl, urlsplit

_EXAMPLE = "for example postgresql://user@localhost:5432/name"
_SCHEMES = {"postgres", "postgresql", "postgresql+asyncpg"}
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}


def normalized(url: str) -> str:
    """Return the URL as asyncpg accepts it. No error message has the URL, because it may have a password."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError(f"is not a PostgreSQL URL, {_EXAMPLE}")
    try:
        parts = urlsplit(f"postgresql://{rest}")
        _ = parts.port
    except ValueError:
        raise ValueError(f"has a host or port that cannot be read, {_EXAMPLE}") from None
    query = dict(parse_qsl(parts.query))
    if query.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"has an unknown sslmode; PostgreSQL knows {', '.join(sorted(_SSL_MODES))}")
    if (ca := query.get("sslrootcert")) and not os.access(ca, os.R_OK):
        raise ValueError("has an sslrootcert that cannot be read")
    if not parts.path.strip("/") and "dbname" not in query:
        raise ValueError(f"names no database, {_EXAMPLE}")
    return f"postgresql://{rest}"
