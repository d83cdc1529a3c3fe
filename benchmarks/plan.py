"""How much is measured: all of it in ten minutes, or a look in two."""

from dataclasses import dataclass
from typing import Literal

CONNECTIONS = 32
POOL = 20  # Of each contestant, and of each instance of the service.
# Seconds that things take besides the load, more or less; rows are a second's.
STARTING, STOPPING, OVERHEAD, SEEDED = 0.8, 3.0, 0.1, 40_000

type Work = Literal["read", "page", "insert", "livez"]
WORKS: dict[Work, str] = {"read": "read one", "page": "page of 20", "insert": "insert", "livez": "no I/O"}


@dataclass(frozen=True)
class Plan:
    rounds: int
    """Each starts every server anew: a process can be luckier than another with its memory."""
    growth_rounds: int
    rows: tuple[int, ...]
    connections: tuple[int, ...]
    instances: int
    """Of the service, behind PgBouncer: together they want more connections than the database has."""
    limit: int
    """Seconds that the whole run may take, once all is installed."""
    seconds: int = 1
    """Of each load. wrk takes whole ones; many short ones meet what else the machine does alike."""

    def estimate(self, contestants: int) -> float:
        """Return the seconds that a run takes on a machine that does nothing else, generously."""
        work, turns = self.seconds + OVERHEAD, self.growth_rounds
        comparison = self.rounds * contestants * (STARTING + (len(WORKS) + 1) * work)
        rows = STARTING + max(self.rows) / SEEDED + len(self.rows) * (2 * turns + 1) * work
        connections = STARTING + (len(self.connections) * turns + 1) * work
        changes = 3 * (2 * STARTING + 2 * work + 4 * turns * work)
        instances = self.instances * STARTING + 4 * work
        outbound = STARTING + 5 * turns * work
        return comparison + rows + connections + changes + instances + outbound + 2 * STOPPING


FULL = Plan(5, 3, (1_000, 10_000, 100_000, 1_000_000), (1, 8, 32, 128, 512), 6, limit=600)
QUICK = Plan(1, 1, (1_000, 20_000), (32, 512), 6, limit=125)
