from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from chassis.testing import ServerProcess
from tests.places import EXAMPLE
from tests.server.raw import all_slots_are_free

type Serve = Callable[..., ServerProcess]


def served(environment: Mapping[str, str] | None = None, **options: Any) -> ServerProcess:
    return ServerProcess(environment, **{"app": "tests.server.app:create_app()", "root": EXAMPLE, **options})


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Start servers that stop after the last test of the module."""
    with ExitStack() as stack:

        def start(environment: Mapping[str, str] | None = None, **options: Any) -> ServerProcess:
            return stack.enter_context(served(environment, **options))

        yield start


@pytest.fixture
def orderly(server: ServerProcess) -> Iterator[None]:
    """After each test all slots of the module's `server` are free, and nothing has failed inside."""
    yield
    server.wait_until(lambda: all_slots_are_free(server), "to have all slots free")
    assert "Traceback" not in server.log


class Certificates:
    """A CA and its certificates, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.stranger = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.certfile, self.keyfile = self.issue("server")

    def issue(self, name: str, days: float = 30, since: float = -1, *, stranger: bool = False) -> tuple[Path, Path]:
        """Sign a certificate that is valid from `since` until `days` from now."""
        now, ca = datetime.now(UTC), self.stranger if stranger else self.ca
        cert = ca.issue_cert(
            "127.0.0.1",
            "localhost",
            common_name=name,
            organization_name="Example, Inc.",
            organization_unit_name="Accounts",
            not_before=now + timedelta(days=since),
            not_after=now + timedelta(days=days),
        )
        certfile, keyfile = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certfile.write_bytes(b"".join(blob.bytes() for blob in cert.cert_chain_pems))
        cert.private_key_pem.write_to_path(keyfile)
        return certfile, keyfile

    def settings(self, **more: str) -> dict[str, str]:
        tls = {"certfile": str(self.certfile), "keyfile": str(self.keyfile)} | more
        return {f"APP_SERVER__TLS__{name.upper()}": value for name, value in tls.items()}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))
