"""The container's health check: `python -m chassis.healthcheck`, for an image without curl.

Exits with 0 if `/livez` returns 200, otherwise with 1 and a line with the reason. It reads its few settings from the
environment and the secret files itself: loading all settings would take half a second of CPU every few seconds.
"""

import os
import socket
import ssl
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

TIMEOUT = 2.5  # Seconds. Less than HEALTHCHECK's own, so that there is a line with the reason.
SECRETS = Path("/run/secrets")
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - To connect to, not to listen on.


def main() -> int:
    bind = setting("APP_SERVER__BIND") or "127.0.0.1:8000"
    try:
        with encrypted(connected(bind)) as sock:
            status = livez(sock)
    except (OSError, ValueError, HTTPException) as error:
        return unhealthy(f"{bind}: {error!r}")
    return 0 if status == HTTPStatus.OK else unhealthy(f"{bind}: /livez returned {status}")


def setting(name: str) -> str | None:
    """Read it as the settings do: its name in any case, and the environment before a file."""
    given = {each.upper(): value for each, value in os.environ.items()}
    file = SECRETS / name.lower()
    return given.get(name) or (file.read_text().strip() if file.is_file() else None)


def connected(bind: str) -> socket.socket:
    if bind.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT)
        sock.connect(bind.removeprefix("unix:"))
        return sock
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    return socket.create_connection((ANY_ADDRESS.get(host, host), int(port)), TIMEOUT)


def encrypted(sock: socket.socket) -> socket.socket:
    if not setting("APP_SERVER__TLS__CERTFILE"):
        return sock
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # Its handshake also ends if the server requires a certificate.
    context.check_hostname = False  # The certificate is for the name that clients use.
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock)


def livez(sock: socket.socket) -> int:
    if setting("APP_SERVER__TLS__CLIENT_CERTS") == "required":
        return HTTPStatus.OK  # We have no certificate, but a completed handshake shows that the event loop runs.
    connection = HTTPConnection("localhost")
    connection.sock = sock
    connection.request("GET", "/livez", headers={"Connection": "close"})
    with connection.getresponse() as response:
        return response.status


def unhealthy(why: str) -> int:
    print(why, file=sys.stderr)  # noqa: T201 - For `docker inspect`.
    return 1


if __name__ == "__main__":
    sys.exit(main())
