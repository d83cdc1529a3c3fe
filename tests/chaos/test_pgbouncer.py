"""A service behind a real PgBouncer in transaction mode, which is ended by force in the load."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.chaos.clients import Clients
from tests.chaos.conftest import Serve
from tests.chaos.postgres import Postgres
from tests.chaos.records import RECOVERY
from tests.services import free_address, run

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.timeout(600),
]

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
server_login_retry = 1
client_tls_sslmode = allow
client_tls_cert_file = {folder}/server.crt
client_tls_key_file = {folder}/server.key
"""
# Those that are about sessions, statements and answers, by the folder that they run in.
TESTS = {
    ".": ("tests/orders", "tests/exchange_rates", "tests/test_main.py"),
    "chassis": (
        "tests/test_idempotency.py",
        *(f"tests/database/test_{name}.py" for name in ("statements", "driver", "driver_transactions")),
    ),
}
# The one fills a table for longer than a statement may take, the other starts servers of its own.
WITHOUT = "not million and not test_orders_live_as_the_model_does"


def program() -> str:
    """Find PgBouncer, or install it where we may; else say what is missing."""
    if not find() and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "pgbouncer"]):
            options = {"env": environment, "stdout": subprocess.DEVNULL, "timeout": 200}
            subprocess.run(["apt-get", "-qq", *command], check=False, **options)  # type: ignore[call-overload]  # mypy does not follow **options.
    return find() or pytest.skip(
        "there is no pgbouncer here, and we may not install Debian's: we are not root"
    )


def find() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


class PgBouncer:
    def __init__(self, program: str, folder: Path, server: str) -> None:
        self.address = free_address()
        port = self.address.rpartition(":")[2]
        self.url = f"postgresql://postgres@{self.address}/postgres"
        self.file, self.log, self.ca = folder / "pgbouncer.ini", folder / "log", folder / "ca.pem"
        self.file.write_text(CONFIGURATION.format(server=server, port=port, folder=folder))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        certificate = authority.issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(folder / "server.crt")
        certificate.private_key_pem.write_to_path(folder / "server.key")
        self.command = [program, *(["-u", "nobody"] if os.geteuid() == 0 else []), str(self.file)]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(5)


@pytest.fixture(scope="module")
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        pgbouncer = PgBouncer(program(), Path(folder), postgres.port)
        pgbouncer.start()
        yield pgbouncer
        pgbouncer.kill()


@pytest.mark.parametrize("folder", TESTS)
def test_the_tests_of_the_service_pass_through_it(
    pgbouncer: PgBouncer, postgres: Postgres, chassis: Path, machine: dict[str, str], folder: str
) -> None:
    service = chassis.parent
    environment = machine | {"TEST_DATABASE_URL": postgres.url, "TEST_PGBOUNCER": pgbouncer.address}
    python = str(service / ".venv/bin/python")
    options = ("-p", "no:cacheprovider", "--numprocesses=2", "-k", WITHOUT)
    said = run(
        *(python, "-m", "pytest", *options, *TESTS[folder]),
        cwd=service / folder,
        environment=environment,
        within=1500,
    )
    assert " passed" in said
    assert "login attempt" in pgbouncer.log.read_text()


def test_it_is_killed_in_the_load(pgbouncer: PgBouncer, postgres: Postgres, serve: Serve) -> None:
    server = serve(pgbouncer.url)
    server.environment |= {"APP_DATABASE__PGBOUNCER": "true"}

    async def load() -> None:
        clients = Clients(server.port, "pgbouncer")
        async with clients.running():
            await clients.records.reach(500)
            assert clients.records.unexpected == []
            assert clients.records.count(200) + clients.records.count(201) == len(clients.records.all)
            await asyncio.to_thread(pgbouncer.kill)
            await clients.records.reach(50)
            await asyncio.to_thread(pgbouncer.start)
            recovery = await clients.records.calm()
            await clients.records.reach(500)
        assert clients.records.unexpected == []
        assert clients.records.count(503) > 0
        assert clients.records.lost == 0
        assert recovery < RECOVERY
        clients.books.check(await postgres.orders("pgbouncer"))

    with server:
        asyncio.run(load())
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("host", "status", "said"),
    [("localhost", 200, ""), ("127.0.0.1", 503, "certificate is not valid for '127.0.0.1'")],
)
def test_its_certificate_is_verified(
    pgbouncer: PgBouncer, serve: Serve, host: str, status: int, said: str
) -> None:
    url = pgbouncer.url.replace("127.0.0.1", host)
    server = serve(f"{url}?sslmode=verify-full&sslrootcert={pgbouncer.ca}")
    server.environment |= {"APP_DATABASE__PGBOUNCER": "true"}
    with server:
        assert server.status("/readyz") == status
        server.wait_for_log(said)
