"""`/livez`: the process answers. `/readyz`: it can do its work, with a word for each dependency."""

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
    """Say that the process lives; a failing database must never have it restarted."""
    return Liveness()


@router.get(
    "/readyz",
    response_model_exclude_none=True,
    responses={503: {"model": Readiness, "description": "Stopping, or a dependency fails"}},
)
async def readyz(drain: CurrentDrain, database: CurrentDatabase, response: Response) -> Readiness:
    """Say whether this process should get requests; it asks the database."""
    if drain.stopping:
        response.status_code = 503  # At once: a slow database must not keep the load balancer waiting.
        return Readiness(status="stopping")
    state = await database.state(within=PROBE_TIMEOUT)
    if state == "unavailable":
        response.status_code = 503
        return Readiness(status="unavailable", database=state)
    return Readiness(status="ok", database=state)
