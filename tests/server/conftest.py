import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

type Serve = Callable[..., Any]

TIMES = {"APP_SERVER__DRAIN": "2", "APP_SERVER__LAME_DUCK": "1", "APP_SERVER__WORKERS": "2"}


@pytest.fixture(scope="session")
def slow_application(chassis: Path) -> dict[str, Any]:
    """Give the options by which a baked service serves the application of its chassis's tests."""
    paths = f"{chassis / 'tests/example/src'}:{chassis}"
    return {"root": chassis / "tests/example", "app": "tests.server.app:create_app()", "paths": paths}


@pytest.fixture
def process(service: Path, slow_application: dict[str, Any], server_process: Any) -> Serve:
    """Make servers of that application, or of the `own` one that the service has."""

    def make(environment: dict[str, str] | None = None, *, own: bool = False, **options: Any) -> Any:
        served = {"root": service} if own else slow_application.copy()
        given = TIMES | {"PYTHONPATH": served.pop("paths", "")} | (environment or {})
        return server_process(given, python=str(service / ".venv/bin/python"), **served | options)

    return make


@pytest.fixture
def serve(process: Serve) -> Iterator[Serve]:
    """Start servers, and wait until all their workers have started, or until another one answers."""
    with ExitStack() as stack:

        def start(environment: dict[str, str] | None = None, **options: Any) -> Any:
            server = stack.enter_context(process(environment, **options))
            if "command" not in options:
                server.wait_for_log("startup complete", int(server.environment["APP_SERVER__WORKERS"]))
            return server

        yield start


class Certificates:
    """The files that a server reads, rewritten by each `issue`."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.certfile, self.keyfile = folder / "tls.crt", folder / "tls.key"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(self.context)
        self.settings = {
            "APP_SERVER__TLS__CERTFILE": str(self.certfile),
            "APP_SERVER__TLS__KEYFILE": str(self.keyfile),
        }
        self.issue("first")

    def issue(self, name: str, *, half_written: bool = False, seconds: float = 3600) -> None:
        """Write a certificate that expires after some `seconds`."""
        now = datetime.now(UTC)
        leaf = self.ca.issue_cert(
            "localhost",
            "127.0.0.1",
            common_name=name,
            not_before=now - timedelta(days=1),
            not_after=now + timedelta(seconds=seconds),
        )
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        _replace(self.certfile, chain[: len(chain) // 2] if half_written else chain)
        if not half_written:
            _replace(self.keyfile, leaf.private_key_pem.bytes())

    def copy_another_key(self) -> None:
        _replace(self.keyfile, self.ca.issue_cert("localhost").private_key_pem.bytes())


def _replace(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)
