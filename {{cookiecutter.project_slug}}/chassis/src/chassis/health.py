"""`/livez`: the process responds. `/readyz`: it can serve requests, with the state of each dependency."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from chassis.database._pools import CurrentDatabase
from chassis.drain import CurrentDrain

PROBE_TIMEOUT = 0.8  # Seconds. Kubernetes gives up on a probe after 1 s by default.

router = APIRouter(tags=["health"])


class Liveness(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    status: Literal["ok", "stopping", "unavailable"]
    database: Literal["ok", "busy", "unavailable"] | None = None


@router.get("/livez")
async def livez() -> Liveness:
    """Return 200 while the process responds. It does not depend on the database, whose failure needs no restart."""
    return Liveness()


@router.get(
    "/readyz",
    response_model_exclude_none=True,
    responses={503: {"model": Readiness, "description": "The service is stopping, or a dependency is unavailable"}},
)
async def readyz(drain: CurrentDrain, database: CurrentDatabase, response: Response) -> Readiness:
    """Return 200 if this process can serve requests, and 503 if it stops or the database is unavailable."""
    if drain.stopping:
        response.status_code = 503  # Immediately: a slow database must not delay the load balancer.
        return Readiness(status="stopping")
    state = await database.state(within=PROBE_TIMEOUT)
    if state == "unavailable":
        response.status_code = 503
        return Readiness(status="unavailable", database=state)
    return Readiness(status="ok", database=state)
