"""TLS to a PostgreSQL with a certificate: which names and authorities `sslmode=verify-full` accepts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from tests.containers.engine import container, docker, eventually, unique
from tests.services import Answer, call, free_address

pytestmark = [pytest.mark.container, pytest.mark.heavy, pytest.mark.timeout(400)]

# PostgreSQL requires that only its own user can read the key, so the container copies it.
START = """
install -m 600 -o postgres /certificates/key.pem /certificates/cert.pem /var/run/postgresql
exec docker-entrypoint.sh postgres -c ssl=on -c listen_addresses='*' \
    -c ssl_cert_file=/var/run/postgresql/cert.pem -c ssl_key_file=/var/run/postgresql/key.pem
"""
UNVERIFIED = "the connection to the database does not verify the server"
ENCRYPTED = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def network(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a network on which PostgreSQL is `database`, as in its certificate, and `another`."""
    folder, name = tmp_path_factory.mktemp("certificates"), unique("test")
    certificate = authority.issue_cert("database")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    names = (f"--network={name}", "--network-alias=database", "--network-alias=another")
    command = ("--volume", f"{folder}:/certificates:ro", "--env=POSTGRES_PASSWORD=secret")
    docker("network", "create", name)
    try:
        docker(
            *("run", "--detach", "--name", name, *names, *command, "--entrypoint=sh", "postgres:18"),
            *("-c", START),
        )
        eventually(lambda: "ready" in docker("logs", name).rpartition("init process complete")[2], "for it")
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)
        docker("network", "rm", name)


class Seen(NamedTuple):
    ready: int
    orders: int
    """The status of a read by a compiled statement; `ready` is a session's."""
    encrypted: bool
    """Whether PostgreSQL has an encrypted connection."""
    log: str


type Ask = Callable[..., Seen]


@pytest.fixture
def ask(image: str, network: str, tmp_path: Path) -> Ask:
    """Run the service with the database of that name and trust in that authority, and read."""

    def ask(host: str, trusted: trustme.CA, mode: str = "sslmode=verify-full&sslrootcert=/ca.pem") -> Seen:
        address = free_address()
        trusted.cert_pem.write_to_path(tmp_path / "ca.pem")
        (tmp_path / "ca.pem").chmod(0o644)
        url = f"postgresql://postgres:secret@{host}/postgres?{mode}"
        options = (f"--network={network}", f"--volume={tmp_path / 'ca.pem'}:/ca.pem:ro")
        ours = (f"--publish={address}:8000", f"--env=APP_DATABASE__URL={url}")
        with container(image, options=(*options, *ours)) as name:
            eventually(lambda: answered(f"http://{address}/livez"), "for the service")
            ready = call("GET", f"http://{address}/readyz").status
            if ready == 200:
                docker("exec", name, "alembic", "upgrade", "head")
            orders = call("GET", f"http://{address}/v1/orders").status
            counted = docker("exec", network, "psql", "--username=postgres", "-At", f"--command={ENCRYPTED}")
            return Seen(ready, orders, counted.strip() != "0", docker("logs", name))

    return ask


def test_its_own_name_and_authority(ask: Ask, authority: trustme.CA) -> None:
    seen = ask("database", authority)
    assert (seen.ready, seen.orders, seen.encrypted) == (200, 200, True)
    assert UNVERIFIED not in seen.log


def test_another_name(ask: Ask, authority: trustme.CA) -> None:
    seen = ask("another", authority)
    assert (seen.ready, seen.orders, seen.encrypted) == (503, 503, False)
    assert "Hostname mismatch" in seen.log
    assert "secret" not in seen.log


def test_another_authority(ask: Ask) -> None:
    seen = ask("database", trustme.CA())
    assert (seen.ready, seen.orders, seen.encrypted) == (503, 503, False)
    assert "CERTIFICATE_VERIFY_FAILED" in seen.log
    assert "secret" not in seen.log


def test_any_name_and_authority(ask: Ask) -> None:
    seen = ask("another", trustme.CA(), "sslmode=require")
    assert (seen.ready, seen.orders, seen.encrypted) == (200, 200, True)
    assert UNVERIFIED in seen.log
    assert "another" in seen.log
    assert "secret" not in seen.log


def answered(url: str) -> Answer | None:
    try:
        return call("GET", url)
    except OSError:
        return None
