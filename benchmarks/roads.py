"""The roads to the database, side by side, which `apps/roads.py` takes."""

import json

from benchmarks.comparison import Stage
from benchmarks.environments import APPS, run

ROADS = {
    "pool": "asyncpg's own pool",
    "pool_without_reset": "asyncpg's own pool, which leaves a connection as it comes back",
    "driver": "the engine's pool, by `DriverPool`",
    "statement": "a compiled statement, with its typed row",
    "session": "a session in AUTOCOMMIT",
}


def roads(stage: Stage) -> dict[str, float]:
    """Return the microseconds of processor time that a read by id costs the client on each road."""
    said = run(
        *("taskset", "--cpu-list", str(stage.cores.server)),
        *(str(stage.environments.python("service")), "roads.py", stage.database.url, stage.database.one()),
        *(str(stage.plan.growth_rounds), str(stage.plan.seconds)),
        cwd=APPS,
    )
    found: dict[str, float] = json.loads(said)
    for name, microseconds in found.items():
        print(f"  {ROADS[name]}: {microseconds:.0f} µs", flush=True)
    return found
