"""The subject of a verified client certificate, as ASGI's TLS extension has it: a string in the form of RFC 4514."""

import asyncio
import ssl
from collections.abc import MutableMapping
from typing import Any

# The short names of RFC 4514, section 3, by OpenSSL's long names.
_SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "domainComponent": "DC",
    "userId": "UID",
}


def tls_extension(transport: asyncio.BaseTransport) -> dict[object, object] | None:
    """Return `scope["extensions"]["tls"]`, or None if the client showed no certificate."""
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate: dict[str, Any] | None = connection.getpeercert() if connection else None
    return {"client_cert_name": _rfc4514(certificate["subject"])} if certificate else None


def with_tls_extension(app: Any, transport: asyncio.BaseTransport) -> Any:
    """Wrap `app` for one connection, so that its scopes have the extension."""
    if not (tls := tls_extension(transport)):
        return app

    async def app_with_tls(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        scope.setdefault("extensions", {})["tls"] = tls
        await app(scope, receive, send)

    return app_with_tls


def _rfc4514(subject: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    # The last part of the subject comes first.
    names = ["+".join(f"{_SHORT_NAMES.get(name, name)}={_escaped(value)}" for name, value in part) for part in subject]
    return ",".join(reversed(names))


def _escaped(value: str) -> str:
    escaped = "".join(f"\\{sign}" if sign in '\\,+"<>;=' else sign for sign in value).replace("\0", "\\00")
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    return escaped[:-1] + "\\ " if len(escaped) > 1 and escaped.endswith(" ") else escaped
