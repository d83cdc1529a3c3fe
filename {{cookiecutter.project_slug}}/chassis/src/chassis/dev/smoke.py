"""`make smoke url=https://orders.example`: check that a deployed service works. It changes nothing.

It calls the probes, a path that does not exist, and every GET of the API without parameters. Set SSL_CERT_FILE to use a
private certificate authority.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from chassis.dev.terminal import CommandError, print_error, run_command

SECONDS = 30.0  # A load balancer may take that long to see a new replica.
TIMEOUT = 10.0
NOT_THERE = "/there-is-no-such-path"


class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Do not follow redirects: a login page does not show that the service works."""


def get(url: str) -> tuple[int, str, bytes]:
    try:
        with build_opener(NoRedirect).open(Request(url), timeout=TIMEOUT) as answer:  # noqa: S310 - As `main` checks.
            return answer.status, answer.headers.get_content_type(), answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read()
    except (URLError, OSError) as error:
        raise CommandError(f"GET {url}: {getattr(error, 'reason', error)}") from None


def expect(url: str, status: int, kind: str) -> bytes:
    got, got_kind, body = get(url)
    if (got, got_kind) != (status, kind):
        raise CommandError(f"GET {url}: {got} {got_kind}, and not {status} {kind}")
    return body


def check(url: str) -> Iterator[str]:
    """Send all requests, and yield what passed."""
    for path in ("/livez", "/readyz"):
        expect(url + path, 200, "application/json")
        yield path
    expect(url + NOT_THERE, 404, "application/problem+json")
    yield "404"
    for path in plain_paths(url):
        status, kind, _ = get(url + path)
        if status >= 500 or 300 <= status < 400:  # noqa: PLR2004 - Classes of status codes.
            raise CommandError(f"GET {url}{path}: {status} {kind}")
        yield f"{path} {status}"


def plain_paths(url: str) -> list[str]:
    """The paths that can be asked for as they are; none if the service does not show its document."""
    status, _, body = get(f"{url}/openapi.json")
    paths = json.loads(body)["paths"] if status == 200 else {}  # noqa: PLR2004 - OK.
    return [path for path, item in paths.items() if "get" in item and "{" not in path]


def main() -> int:
    url = os.environ.get("url", "").rstrip("/")  # noqa: SIM112 - As it stands after `make`.
    if not url.startswith(("http://", "https://")):
        print_error("The URL is missing. Type: make smoke url=https://orders.example")
        return 2
    end = time.monotonic() + SECONDS
    while True:
        try:
            print(f"{url} works: {', '.join(check(url))}")
        except CommandError as error:
            if time.monotonic() > end:
                print_error(str(error))
                return 1
            time.sleep(0.5)
        else:
            return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
