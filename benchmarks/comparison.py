"""All contestants on one table and the same work, by turns."""

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from benchmarks.contestants import Contestant
from benchmarks.database import Database
from benchmarks.environments import Environments
from benchmarks.load import Round, load
from benchmarks.plan import WORKS, Plan, Work
from benchmarks.processes import memory_mb, tree
from benchmarks.serving import Cores, Server, Start, serving
from benchmarks.stopping import StoppedError

PAGE = 20
FIELDS = ["amount", "created_at", "currency", "id", "reference", "status", "updated_at"]


@dataclass
class Record:
    """What was seen of one contestant."""

    rounds: dict[Work, list[Round]] = field(default_factory=lambda: {work: [] for work in WORKS})
    starts: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    failed: str | None = None
    """Why it has no figures."""


@dataclass(frozen=True)
class Stage:
    """What all measurements run on."""

    environments: Environments
    database: Database
    cores: Cores
    plan: Plan


def compare(stage: Stage, contestants: Sequence[Contestant], failed: dict[str, str]) -> dict[str, Record]:
    records = {each.name: Record(failed=failed.get(each.environment)) for each in contestants}
    stage.database.fill()
    for turn in range(stage.plan.rounds):
        # Each round begins with another, so that nobody always comes after the same one.
        for contestant in (*contestants[turn:], *contestants[:turn]):
            record = records[contestant.name]
            if record.failed is None:
                try:
                    measure(stage, contestant, record)
                except StoppedError as reason:
                    record.failed = str(reason)
        print(f"  round {turn + 1} of {stage.plan.rounds}: {standing(records)}", flush=True)
    return records


def measure(stage: Stage, contestant: Contestant, record: Record) -> None:
    order, seconds = stage.database.one(), stage.plan.seconds
    start = Start(stage.environments, stage.database.url, [stage.cores.server])
    with serving(start, contestant) as server:
        record.starts.append(server.start)
        check(server, contestant, stage.database)
        load(server.url + contestant.path("read", order), server.pid, 1)  # Fills the pool and the caches.
        for work in WORKS:
            url = server.url + contestant.path(work, order)
            record.rounds[work].append(load(url, server.pid, seconds, placing=work == "insert"))
        record.memory.append(memory_mb(tree(server.pid)))
    stage.database.forget_placed()


def check(server: Server, contestant: Contestant, database: Database) -> None:
    """Compare its responses with the table: a contestant must do the same work."""
    order = database.one()
    status, read = request(server, "GET", contestant.path("read", order))
    expect(contestant, "read", same(read, row(database, order)) and status == http.HTTPStatus.OK)

    status, page = request(server, "GET", contestant.path("page", order))
    newest = str(database.ask("SELECT id FROM orders ORDER BY id DESC LIMIT 1"))
    full = status == http.HTTPStatus.OK and len(page["items"]) == PAGE and page["next_cursor"]
    expect(contestant, "page", full and same(page["items"][0], row(database, newest)))

    new = {"reference": f"check-{contestant.name}", "amount": "12.50", "currency": "EUR"}
    status, placed = request(server, "POST", contestant.path("insert", order), new)
    created = status == http.HTTPStatus.CREATED
    expect(contestant, "insert", created and same(placed, soon(database, placed["id"])))
    database.forget_placed()


def row(database: Database, order: str) -> dict[str, Any]:
    found = database.ask("SELECT row_to_json(orders) FROM orders WHERE id = $1", order)
    return json.loads(found, parse_float=str) if found else {}


def soon(database: Database, order: str) -> dict[str, Any]:
    """Return the row once it is there: some commit only after they have answered."""
    end = monotonic() + 1
    while not (found := row(database, order)) and monotonic() < end:
        sleep(0.01)
    return found


def same(answer: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Tell whether an answer is the stored order; Django's encoder drops what is below a millisecond."""
    if sorted(answer) != FIELDS or not stored:
        return False
    times = ("created_at", "updated_at")
    near = all(abs(moment(answer[name]) - moment(stored[name])) < timedelta(milliseconds=1) for name in times)
    return near and all(str(answer[name]) == str(stored[name]) for name in FIELDS if name not in times)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def expect(contestant: Contestant, work: str, right: object) -> None:
    if not right:
        raise StoppedError(f"{contestant.title} answers `{work}` with something else than the table holds")


def request(server: Server, method: str, path: str, content: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    body = None if content is None else json.dumps(content)
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    response = connection.getresponse()
    said = response.read()
    connection.close()
    return response.status, json.loads(said) if said.startswith(b"{") else {}


def standing(records: dict[str, Record]) -> str:
    """Say in a line what the last round brought, reads a second."""
    rates = {
        name: record.rounds["read"][-1].rate for name, record in records.items() if record.rounds["read"]
    }
    failed = [f"{name} failed" for name, record in records.items() if record.failed]
    return ", ".join([f"{name} {rate:.0f}/s" for name, rate in rates.items()] + failed)
