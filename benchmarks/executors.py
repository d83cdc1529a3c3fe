"""The executors to the database, side by side, which `apps/executors.py` takes."""

import json

from benchmarks.comparison import Stage
from benchmarks.environments import APPS, run

EXECUTORS = {
    "pool": "asyncpg's own pool",
    "pool_without_reset": "asyncpg's own pool, which leaves a connection as it comes back",
    "driver": "the engine's pool, by `DriverPool`",
    "statement": "a compiled statement, with its typed row",
    "session": "a session in AUTOCOMMIT",
}


def executors(stage: Stage) -> dict[str, float]:
    """Return the microseconds of processor time that a read by id costs the client on each executor."""
    said = run(
        *("taskset", "--cpu-list", str(stage.cores.server)),
        *(
            str(stage.environments.python("service")),
            "executors.py",
            stage.database.url,
            stage.database.one(),
        ),
        *(str(stage.plan.growth_rounds), str(stage.plan.seconds)),
        cwd=APPS,
    )
    found: dict[str, float] = json.loads(said)
    for name, microseconds in found.items():
        print(f"  {EXECUTORS[name]}: {microseconds:.0f} µs", flush=True)
    return found
