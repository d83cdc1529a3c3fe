"""Debian's PgBouncer in transaction mode, in front of the benchmark's database."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

from benchmarks.serving import free_port, running, wait_until
from benchmarks.stopping import StoppedError

POOLED = 20  # Connections to PostgreSQL, however many clients there are.
CONFIGURATION = """
[databases]
postgres = host={host} port={database_port} dbname=postgres user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pooled}
max_client_conn = 1000
logfile = {folder}/log
"""


def program() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def version() -> str:
    said = subprocess.check_output([program() or "pgbouncer", "--version"], text=True)
    return said.split()[1]


@contextmanager
def pooler(database: str) -> Iterator[str]:
    """Run PgBouncer for the length of the block and yield the URL that leads through it."""
    path, port = program(), free_port()
    if path is None:
        raise StoppedError("pgbouncer is not installed")
    query = parse_qs(urlsplit(database).query)
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as name:  # Another user must reach it.
        folder = Path(name)
        folder.chmod(0o777)
        host, database_port = query["host"][0], query["port"][0]
        text = CONFIGURATION.format(
            host=Path(host).resolve(), database_port=database_port, port=port, pooled=POOLED, folder=folder
        )
        (folder / "ini").write_text(text)
        log = folder / "pgbouncer.log"
        user = {} if os.geteuid() else {"user": "nobody", "extra_groups": []}  # It refuses to run as root.
        with running((path, str(folder / "ini")), log, **user) as process:
            wait_until(lambda: is_open(port), process, log)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
