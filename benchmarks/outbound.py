"""Calls to another service, from one core to the other, which `apps/callers.py` makes."""

import json
from typing import Any

from benchmarks.comparison import Stage
from benchmarks.environments import APPS, run
from benchmarks.serving import answers, free_port, running, wait_until

CALLERS = {
    "per_call": "httpx2, a client for each call",
    "pooled": "httpx2, one client",
    "pooled_aiohttp": "httpx2, one client, aiohttp's transport",
    "upstream": "`Upstream`: deadline, breaker, retries",
    "upstream_aiohttp": "`Upstream`, aiohttp's transport",
}


def outbound(stage: Stage) -> dict[str, Any]:
    port = free_port()
    options = ("--port", str(port), "--no-access-log", "--log-level", "warning", "--lifespan", "off")
    upstream = (str(stage.environments.python("floor")), "-m", "uvicorn", *options, "upstream:app")
    log = stage.environments.folder / "upstream.log"
    with running(upstream, log, cwd=APPS) as process:
        wait_until(lambda: answers(port, "/"), process, log)
        said = run(
            *("taskset", "--cpu-list", str(stage.cores.server)),
            *(str(stage.environments.python("outbound")), "callers.py", f"http://127.0.0.1:{port}/"),
            *(str(stage.plan.growth_rounds), str(stage.plan.seconds)),
            cwd=APPS,
        )
    found: dict[str, Any] = json.loads(said)
    for name, call in found["calls"].items():
        print(f"  {CALLERS[name]}: {call['rate']:.0f}/s", flush=True)
    return found
