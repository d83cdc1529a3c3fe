"""`make bench`: measure all; write docs/benchmark.json, docs/benchmark.svg and the tables of the documents.

`QUICK=1` takes two minutes instead of ten. `ONLY="fastapi service"` compares these with the floor, and
`ONLY=outbound` runs that part alone; then nothing is written. A change shows its figure before and after.
`ONLY=executors` runs only when asked; a decision record has its figures.
"""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks import chart, database, growth, machine
from benchmarks.comparison import Stage, compare
from benchmarks.contestants import CONTESTANTS, FLOOR, SERVICE, Contestant
from benchmarks.environments import Environments
from benchmarks.executors import executors
from benchmarks.outbound import outbound
from benchmarks.plan import CONNECTIONS, FULL, POOL, QUICK, Plan
from benchmarks.results import compared
from benchmarks.serving import Cores
from benchmarks.stopping import StoppedError, end_on_signals
from dev import figures, readme

DOCS = Path(__file__).resolve().parent.parent / "docs"
PARTS = {
    "rows": growth.rows,
    "connections": growth.connections,
    "workers": growth.workers,
    "tls": growth.tls,
    "server": growth.server,
    "instances": growth.instances,
    "outbound": outbound,
    "executors": executors,
}
WHEN_ASKED = {"executors"}


def main(folder: Path) -> None:
    end_on_signals()
    need("wrk", "taskset", "setpriv")
    names = os.environ.get("ONLY", "").split()
    contestants, parts = chosen(names)
    plan, cores, environments = (
        QUICK if os.environ.get("QUICK") else FULL,
        Cores.available(),
        Environments(folder),
    )
    print("environments", flush=True)
    needed = [SERVICE.environment, FLOOR.environment, *(each.environment for each in contestants), *parts]
    failed = environments.prepare(needed)
    os.sched_setaffinity(0, {cores.others})  # And so the load, the database, and what else we start.
    began = monotonic()
    if not names:
        print(f"about {plan.estimate(len(contestants)):.0f} s from here", flush=True)
    with database.running(environments.service) as shared:
        found = measured(Stage(environments, shared, cores, plan), contestants, parts, failed)
    found["made"] |= {"seconds": round(monotonic() - began)}
    print(f"took {found['made']['seconds']} s, of the {plan.limit} that it may", flush=True)
    if contestants:
        print(f"{figures.ratios(found)}\n{figures.service(found)}\n{figures.company(found)}")
    if not names:
        write(found)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise StoppedError(f"The benchmark needs {program}: apt-get install wrk util-linux")


def chosen(names: Sequence[str]) -> tuple[list[Contestant], list[str]]:
    """Return who is compared, and which parts follow; without names, all that a document shows."""
    known = [each.name for each in CONTESTANTS]
    if unknown := [name for name in names if name not in (*known, *PARTS)]:
        raise StoppedError(f"ONLY knows no {unknown[0]}; it knows {', '.join((*known, *PARTS))}")
    if not names:
        return list(CONTESTANTS), [name for name in PARTS if name not in WHEN_ASKED]
    compared = [each for each in CONTESTANTS if each.name in names]
    if compared and FLOOR not in compared:
        compared.insert(0, FLOOR)
    return compared, [name for name in PARTS if name in names]


def measured(
    stage: Stage, contestants: Sequence[Contestant], parts: Sequence[str], failed: dict[str, str]
) -> dict[str, Any]:
    found: dict[str, Any] = {"made": made(stage)}
    stage.database.fill()
    if contestants:
        print("comparison", flush=True)
        found["contestants"] = compared(contestants, compare(stage, contestants, failed))
        for each in contestants:
            if each.environment not in failed:
                found["contestants"][each.name]["versions"] = stage.environments.versions(each)
    for name in parts:
        print(name, flush=True)
        found[name] = {"skipped": failed[name]} if name in failed else PARTS[name](stage)
    return found


def made(stage: Stage) -> dict[str, Any]:
    plan: Plan = stage.plan
    return {
        "on": datetime.now(UTC).date().isoformat(),
        "quick": plan == QUICK,
        "rounds": plan.rounds,
        "seconds_each": plan.seconds,
        "connections": CONNECTIONS,
        "pool": POOL,
        "rows": database.ROWS,
        "database": database.SHARED,
        **machine.described(stage.database),
    }


def write(found: dict[str, Any]) -> None:
    DOCS.joinpath("benchmark.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    DOCS.joinpath("benchmark.svg").write_text(chart.drawn(found))
    readme.main()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit("stopped; all that it had started has ended")
    except StoppedError as reason:
        sys.exit(str(reason))
