"""What the clients were told, and what it must look like."""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from tests.chaos.http_connection import Answer
from tests.server.load import until

DEADLINE = 10.0  # Seconds: the service's own default.
GRACE = 1.0  # How much later an answer may be here: both sides share a busy machine.
RECOVERY = 2.0
CALM = 1.0  # Without an error for so long, it has recovered.
KEY_IN_USE = "/problems/idempotency-key-in-use"


class Record(NamedTuple):
    at: float
    seconds: float
    status: int
    meant: bool = False
    """Whether the client itself hung up."""

    @property
    def failed(self) -> bool:
        return not self.meant and not 200 <= self.status < 300


@dataclass
class Books:
    """Orders by their reference."""

    placed: dict[str, UUID] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    replays: int = 0

    def note(self, reference: str, answer: Answer | None) -> None:
        if answer and answer.status == 201:
            self.placed[reference] = UUID(answer.json["id"])
            self.uncertain.discard(reference)
        elif answer and 400 <= answer.status < 500 and reference not in self.uncertain:
            self.refused.add(reference)
        else:
            self.uncertain.add(reference)

    def check(self, stored: dict[str, UUID]) -> None:
        missing = {reference for reference, order in self.placed.items() if stored.get(reference) != order}
        assert not missing, f"answered with 201, and not in the database as such: {sorted(missing)[:5]}"
        ghosts = (self.refused - self.placed.keys()) & stored.keys()
        assert not ghosts, f"answered with 4xx, and in the database: {sorted(ghosts)[:5]}"
        strangers = stored.keys() - self.placed.keys() - self.uncertain
        assert not strangers, f"in the database, and nobody placed them: {sorted(strangers)[:5]}"


class Records:
    def __init__(self) -> None:
        self.all: list[Record] = []
        self.unexpected: list[str] = []
        self.last_failure = 0.0

    def append(self, record: Record, asked: str = "", answer: Answer | None = None) -> None:
        self.all.append(record)
        if record.failed:
            self.last_failure = record.at
        if answer and not _expected(answer):
            self.unexpected.append(f"{asked}: {answer.status} {answer.body.decode()[:300]}")
        assert not self.unexpected, self.unexpected[0]  # Now, and not when what it has broken has timed out.

    async def reach(self, count: int) -> None:
        """Wait until so many more requests have been answered, or given up."""
        wanted = len(self.all) + count
        await until(lambda: len(self.all) >= wanted, f"for {count} answers", 60)

    async def calm(self) -> float:
        """Wait for a second without an error, and return how long it took until that began."""
        loop = asyncio.get_running_loop()
        began, before = loop.time(), len(self.all)

        def since() -> float:
            return max(began, self.last_failure)

        await until(lambda: loop.time() - since() > CALM and len(self.all) > before, "for recovery", 30)
        return since() - began

    def count(self, status: int) -> int:
        return sum(record.status == status for record in self.all)

    @property
    def succeeded(self) -> int:
        return sum(200 <= record.status < 300 for record in self.all)

    @property
    def lost(self) -> int:
        return sum(record.status == 0 and not record.meant for record in self.all)

    @property
    def slowest(self) -> float:
        return max(record.seconds for record in self.all)


def _expected(answer: Answer) -> bool:
    if answer.status == 503:
        return "retry-after" in answer.headers
    if answer.status == 409:
        return bool(answer.json["type"] == KEY_IN_USE)
    return answer.status in {200, 201, 504}
