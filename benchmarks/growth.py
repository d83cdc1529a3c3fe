"""How the service bears more of everything: rows, connections, workers, TLS, instances on one database."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict
from uuid import UUID

import trustme

from benchmarks import pooler
from benchmarks.comparison import Stage
from benchmarks.contestants import SERVICE, UVICORN, Contestant
from benchmarks.load import Round, load
from benchmarks.plan import POOL
from benchmarks.processes import memory_mb, tree
from benchmarks.results import Summary, summary
from benchmarks.serving import Server, Start, serving

# The service answers 503 above this, and means it. Here that would hide how the rest grows.
UNBOUNDED = {"APP_SERVER__MAX_CONCURRENCY": "10000"}


PLAIN = replace(SERVICE, name="plain-uvicorn", command=(*UVICORN, "--factory", "app.main:create_app"))


class Rows(TypedDict):
    rows: int
    first: Summary
    middle: Summary


class Connections(TypedDict):
    connections: int
    read: Summary


class Change(TypedDict):
    """What the same work comes to before and after one change."""

    read: tuple[Summary, Summary]
    livez: tuple[Summary, Summary]
    memory_mb: tuple[float, float]
    """Of all processes of the server, afterwards."""


class Instances(TypedDict, total=False):
    instances: int
    wanted: int
    """Connections that they would hold without a pooler."""
    held: int
    """The most that PostgreSQL had at once."""
    allowed: int
    rate: float
    errors: int
    skipped: str


def rows(stage: Stage) -> list[Rows]:
    """Read the first page, and one in the middle, of ever more rows."""
    found: list[Rows] = []
    held = 0
    stage.database.fill(0)
    with serving(started(stage)) as server:
        for wanted in stage.plan.rows:
            stage.database.grow(held, wanted)
            held = wanted
            first, middle = "/v1/orders", f"/v1/orders?cursor={cursor(stage.database.one())}"
            load(server.url + middle, server.pid, 1)
            of_first, of_middle = by_turns(stage, [(server, first), (server, middle)])
            found.append({"rows": wanted, "first": of_first, "middle": of_middle})
            print(f"  {wanted:,} rows: {of_first['rate']:.0f}/s, {of_middle['rate']:.0f}/s", flush=True)
    stage.database.fill()
    return found


def connections(stage: Stage) -> list[Connections]:
    """Read one order over ever more connections."""
    found: list[Connections] = []
    with serving(started(stage, UNBOUNDED)) as server:
        url = f"{server.url}/v1/orders/{stage.database.one()}"
        load(url, server.pid, 1)
        for number in stage.plan.connections:
            rounds = [
                load(url, server.pid, stage.plan.seconds, connections=number)
                for _ in range(stage.plan.growth_rounds)
            ]
            found.append({"connections": number, "read": summary(rounds)})
            said = found[-1]["read"]
            rate = f"{said['rate']:.0f}/s, p99 {said['p99_ms']:.1f} ms, {said['errors']} errors"
            print(f"  {number} connections: {rate}", flush=True)
    return found


def workers(stage: Stage) -> Change:
    """Compare one worker with two; both may use two cores."""
    pair = stage.cores.pair
    return change(stage, started(stage, cores=pair), started(stage, cores=pair, workers=2))


def tls(stage: Stage) -> Change:
    """Compare plain HTTP with TLS, on connections that stay."""
    with TemporaryDirectory() as folder:
        certificate = trustme.CA().issue_cert("127.0.0.1")
        cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(cert, append=True)
        certificate.private_key_pem.write_to_path(key)
        files = {"APP_SERVER__TLS__CERTFILE": str(cert), "APP_SERVER__TLS__KEYFILE": str(key)}
        return change(stage, started(stage), started(stage, files))


def server(stage: Stage) -> Change:
    """Compare plain uvicorn with the service's own server: gunicorn's master, limits, drain."""
    return change(stage, started(stage), started(stage), PLAIN)


def change(stage: Stage, before: Start, after: Start, contestant: Contestant = SERVICE) -> Change:
    """Compare the service after a change with what `contestant` is before it."""
    with serving(before, contestant) as one, serving(after) as other:
        order = f"/v1/orders/{stage.database.one()}"
        for server in (one, other):
            load(server.url + order, server.pid, 1)
        read = by_turns(stage, [(one, order), (other, order)])
        livez = by_turns(stage, [(one, "/livez"), (other, "/livez")])
        memory = memory_mb(tree(one.pid), sum), memory_mb(tree(other.pid), sum)
    print(f"  reads {read[0]['rate']:.0f}/s, then {read[1]['rate']:.0f}/s", flush=True)
    print(f"  memory {memory[0]:.1f} MB, then {memory[1]:.1f} MB", flush=True)
    return {"read": (read[0], read[1]), "livez": (livez[0], livez[1]), "memory_mb": memory}


def instances(stage: Stage) -> Instances:
    """Run as many instances as would together take more connections than PostgreSQL has, behind PgBouncer."""
    if pooler.program() is None:
        print("  skipped: pgbouncer is not installed", flush=True)
        return {"skipped": "pgbouncer is not installed"}
    number, allowed = stage.plan.instances, int(stage.database.ask("SHOW max_connections"))
    with ExitStack() as stack:
        url = stack.enter_context(pooler.pooler(stage.database.url))
        start = Start(
            stage.environments, url, [stage.cores.server], settings={"APP_DATABASE__PGBOUNCER": "true"}
        )
        servers = [stack.enter_context(serving(start)) for _ in range(number)]
        rounds, held = together(stage, servers)
    found: Instances = {"instances": number, "wanted": number * POOL, "held": held, "allowed": allowed}
    found |= {
        "rate": round(sum(each.rate for each in rounds), 1),
        "errors": sum(each.errors for each in rounds),
    }
    print(
        f"  {number} instances want {found['wanted']} of {allowed}, hold {held}: {found['rate']:.0f}/s",
        flush=True,
    )
    return found


def together(stage: Stage, servers: Sequence[Server]) -> tuple[list[Round], int]:
    """Load all at once, and count the connections of PostgreSQL meanwhile."""
    path, held = f"/v1/orders/{stage.database.one()}", 0
    with ThreadPoolExecutor(len(servers)) as threads:
        rounds = [threads.submit(load, each.url + path, each.pid, 3) for each in servers]
        while not all(each.done() for each in rounds):
            held = max(held, stage.database.connections())
            time.sleep(0.1)
        return [each.result() for each in rounds], held


def started(
    stage: Stage, settings: dict[str, str] | None = None, *, cores: Sequence[int] = (), workers: int = 1
) -> Start:
    return Start(
        stage.environments, stage.database.url, cores or [stage.cores.server], workers, settings or {}
    )


def by_turns(stage: Stage, loads: Sequence[tuple[Server, str]]) -> list[Summary]:
    rounds: list[list[Round]] = [[] for _ in loads]
    for _ in range(stage.plan.growth_rounds):
        for seen, (server, path) in zip(rounds, loads, strict=True):
            seen.append(load(server.url + path, server.pid, stage.plan.seconds))
    return [summary(each) for each in rounds]


def cursor(order: str) -> str:
    """Make the cursor of the service's pages."""
    return urlsafe_b64encode(UUID(order).bytes).decode().rstrip("=")
