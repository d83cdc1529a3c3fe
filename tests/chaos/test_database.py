"""PostgreSQL fails in every way; clients see 2xx, 503 and 504, in time, and the books balance.

The faults share one server, whose last test is to leave: what one has broken in it would show in the next.
"""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.chaos.clients import Clients
from tests.chaos.conftest import POOL, Serve
from tests.chaos.figures import PROPERTY, Figures
from tests.chaos.postgres import Postgres
from tests.chaos.records import DEADLINE, GRACE, RECOVERY
from tests.chaos.wire import Moment, Wire
from tests.server.load import until
from tests.services import free_address

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.timeout(400),
]

ENOUGH = 1_000  # Requests.
BEFORE = 200

type Fault = Callable[[Postgres, Clients], Awaitable[None]]
type Report = Callable[[str, object], None]


@pytest.fixture(scope="module")
def server(serve: Serve, postgres: Postgres) -> Iterator[Any]:
    with serve(postgres.url) as server:
        yield server
        end(server, postgres)


def end(server: Any, postgres: Postgres) -> None:
    """Stop it as in production: no worker was lost, and no connection stays."""
    assert server.log.count("Started server process") == 2
    server.signal(signal.SIGTERM)
    assert server.wait() == 0, server.log[-2_000:]
    asyncio.run(postgres.nobody_connected())


async def restarted(postgres: Postgres, clients: Clients) -> None:
    """As an operator does, and as a crash does."""
    for at_once in (False, True):
        await clients.records.reach(100)
        await asyncio.to_thread(postgres.stop, at_once=at_once)
        await asyncio.to_thread(postgres.start)


async def stopped_for_10_seconds(postgres: Postgres, _: Clients) -> None:
    await asyncio.to_thread(postgres.stop)
    await asyncio.sleep(10)
    await asyncio.to_thread(postgres.start)


async def frozen_for_8_seconds(postgres: Postgres, _: Clients) -> None:
    postgres.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(8)
    finally:
        postgres.signal(signal.SIGCONT)


async def connections_terminated(postgres: Postgres, clients: Clients) -> None:
    async with postgres.session() as session:
        for _ in range(20):
            await clients.records.reach(20)
            await postgres.terminate_others(session)


async def backend_killed(postgres: Postgres, clients: Clients) -> None:
    """As the kernel does when memory is short; PostgreSQL then ends all connections, and recovers."""
    for _ in range(3):
        await clients.records.reach(100)
        await postgres.kill_one()
        await postgres.ready()


async def pool_exhausted(postgres: Postgres, clients: Clients) -> None:
    """By orders that take long, but not too long: those are placed, what comes meanwhile is turned away."""
    async with postgres.slow_orders(2.5):
        await until(lambda: clients.records.count(503) > 100, "for a full pool")


async def slow_query(postgres: Postgres, clients: Clients) -> None:
    async with postgres.slow_orders(60):
        await until(lambda: clients.records.count(504) > 20, "for statement timeouts")


async def locked_by_another_session(postgres: Postgres, clients: Clients) -> None:
    async with postgres.session() as session, session.transaction():
        await session.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        await until(lambda: clients.records.count(504) > 20, "for statement timeouts")


async def no_connection_left(postgres: Postgres, clients: Clients) -> None:
    """Others have taken all that PostgreSQL allows."""
    async with postgres.crowded():
        await until(lambda: clients.records.count(503) > 100, "for 503s")


FAULTS = [
    restarted,
    stopped_for_10_seconds,
    frozen_for_8_seconds,
    connections_terminated,
    backend_killed,
    pool_exhausted,
    slow_query,
    locked_by_another_session,
    no_connection_left,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_of_the_database(
    server: Any, postgres: Postgres, fault: Fault, record_property: Report
) -> None:
    clients, logged = Clients(server.port, fault.__name__), len(server.lines)

    async def run() -> None:
        async with clients.running():
            await clients.records.reach(BEFORE)
            await fault(postgres, clients)
            recovery = await clients.records.calm()
            await clients.records.reach(max(1, ENOUGH - len(clients.records.all)))
        await check(clients, postgres, recovery, record_property)
        assert await postgres.connections() <= 2 * POOL

    asyncio.run(run())
    assert clients.records.lost == 0, "The service itself hangs up on nobody."
    assert clients.records.count(503) + clients.records.count(504) > 0, "The fault did nothing."
    assert errors(server, logged) == []


def test_the_connection_cut_in_a_transaction(
    serve: Serve, postgres: Postgres, record_property: Report
) -> None:
    """In the worst moments; what was committed unheard is found by the keys."""
    asyncio.run(_cut(serve, postgres, record_property))


async def _cut(serve: Serve, postgres: Postgres, record_property: Report) -> None:
    port = int(free_address().rpartition(":")[2])
    server = serve(postgres.url.replace(str(postgres.port), str(port)))
    async with Wire(int(postgres.port)).open(port) as wire:
        await asyncio.to_thread(server.__enter__)
        try:
            clients = Clients(server.port, "connection_cut_in_a_transaction")
            async with clients.running():
                await clients.records.reach(BEFORE)
                wire.cutting = True
                await until(lambda: all(wire.cuts[moment] >= 10 for moment in Moment), "for the cuts", 60)
                wire.cutting = False
                recovery = await clients.records.calm()
                await clients.records.reach(max(1, ENOUGH - len(clients.records.all)))
            await check(clients, postgres, recovery, record_property)
            assert clients.books.replays > 0
            assert clients.records.lost == 0
            assert errors(server, 0) == []
        finally:
            await asyncio.to_thread(server.close)


def test_clients_that_hang_up(server: Any, postgres: Postgres, record_property: Report) -> None:
    """Answers lost on the wire: the same key finds the same order."""
    clients, logged = Clients(server.port, "answers_lost_on_the_wire", hang_up=True), len(server.lines)

    async def run() -> None:
        async with clients.running():
            await clients.records.reach(ENOUGH)
        await check(clients, postgres, 0, record_property)

    asyncio.run(run())
    assert clients.books.replays > 0
    assert errors(server, logged) == []


async def check(clients: Clients, postgres: Postgres, recovery: float, record_property: Report) -> None:
    stored = await postgres.orders(f"{clients.name}-")
    record_property(PROPERTY, str(Figures(clients, recovery, stored)))
    records = clients.records
    clients.books.check(stored)
    assert len(records.all) >= ENOUGH
    assert records.slowest <= DEADLINE + GRACE
    assert recovery <= RECOVERY


def errors(server: Any, since: int) -> list[str]:
    """Return what it logged from that line on that would wake somebody."""
    lines = server.lines[since:]
    return [
        line
        for line in lines
        if not line.startswith("{") or json.loads(line)["level"] in {"error", "critical"}
    ]
