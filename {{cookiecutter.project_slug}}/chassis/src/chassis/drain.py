"""The drain before a shutdown: `/readyz` returns 503, and streams end by themselves.

The lifespan yields one `Drain` as `state["drain"]`, and the server begins it. A feature wraps its streams:

    @router.get("/v1/events", response_class=EventSourceResponse)
    async def events(drain: CurrentDrain) -> AsyncIterator[Event]:
        async for event in drain.until_begun(feed()):
            yield event

A WebSocket does the same with `drain.until_begun(websocket.iter_text())` and then `await websocket.close(1012)`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection


class Drain:
    def __init__(self) -> None:
        self.begun = False
        """This process shuts down, so streams should end. Another process may already have replaced it."""
        self.stopping = False
        """The whole service shuts down, so it is no longer ready."""
        self._waits: set[asyncio.Timeout] = set()

    def begin(self, *, stopping: bool) -> None:
        """Begin the drain. A second call can only add `stopping`. Call it in the thread of the event loop."""
        self.begun = True
        self.stopping = self.stopping or stopping
        for wait in self._waits:
            wait.reschedule(0)

    async def until_begun[Item](self, source: AsyncIterator[Item]) -> AsyncIterator[Item]:
        """Yield from `source` until the drain begins, even while `source` waits for its next item."""
        while not self.begun:
            wait = asyncio.timeout(None)
            self._waits.add(wait)
            try:
                async with wait:
                    item = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if wait.expired():
                    return
                raise
            finally:
                self._waits.discard(wait)
            yield item


def _drain(connection: HTTPConnection) -> Drain:
    return cast("Drain", connection.state.drain)


CurrentDrain = Annotated[Drain, Depends(_drain)]
