"""The service's own application, and the routes that a hostile client would look for in another service."""

import asyncio
from collections.abc import AsyncIterator

from app.main import create_app as create_own
from chassis.drain import CurrentDrain
from fastapi import APIRouter, FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse

router = APIRouter()
LARGE = bytes(8 * 1024 * 1024)
PART = bytes(64 * 1024)


def create_app() -> FastAPI:
    app = create_own()
    app.include_router(router)
    return app


@router.get("/slow")
async def slow(seconds: float = 1) -> str:
    await asyncio.sleep(seconds)
    return "slow"


@router.get("/large")
async def large() -> Response:
    return Response(LARGE)


@router.get("/endless")
async def endless() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield PART
            await asyncio.sleep(0)

    return StreamingResponse(parts())


@router.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body())


@router.websocket("/socket")
async def socket(websocket: WebSocket, drain: CurrentDrain) -> None:
    """Echo each message."""
    await websocket.accept()
    async for message in drain.until_begun(websocket.iter_text()):
        await websocket.send_text(message)
    if drain.begun:
        await websocket.close(1012)


@router.websocket("/deaf")
async def deaf(websocket: WebSocket) -> None:
    """Accept, and read nothing."""
    await websocket.accept()
    await asyncio.sleep(2)


@router.websocket("/undecided")
async def undecided(websocket: WebSocket) -> None:  # noqa: ARG001 - FastAPI wants it.
    """Neither accept nor refuse."""
    await asyncio.sleep(60)


@router.websocket("/refused")
async def refused(websocket: WebSocket) -> None:
    await websocket.close()


@router.websocket("/brief")
async def brief(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()
