"""HTTP/2 responses of uvicorn that wait, in the application, while the client's flow-control windows are closed.

Private API: `Cycle` is the class that an existing `RequestResponseCycle` gets. It overrides `send`, and uses
    `abort_stream`, `disconnected`, `message_event` and `stream`.
Why: uvicorn passes everything to the parser `zttp`, which keeps what the windows have no room for.
Checked by: tests/server/test_library_api.py (names) and the template's tests/server/test_http2.py (behaviour).
"""

import asyncio
from typing import Any, override

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.zttp_h2_impl import RequestResponseCycle

_MOST_PARKED = 8 * HIGH_WATER_LIMIT
"""Bytes of all responses of a connection. Above it each response waits until the client has taken all of it."""


class Responses:
    """The responses of a connection."""

    def __init__(self) -> None:
        self.parked = self.sent = 0
        """Bytes that wait for the windows, and bytes that were sent since the connection last read something."""
        self._progress = asyncio.Event()

    @property
    def crowded(self) -> bool:
        return self.parked > HIGH_WATER_LIMIT

    async def progress(self) -> None:
        await self._progress.wait()

    def wake(self) -> None:
        self._progress.set()
        self._progress.clear()


class Cycle(RequestResponseCycle):
    responses: Responses
    head_size: int
    task_ended = finished = False
    _given, _taken, _since = 0, -1, 0.0

    @property
    def parked(self) -> int:
        return self.stream.pending_bytes or 0

    @override
    async def send(self, message: Any) -> None:
        size = len(message.get("body", b""))
        self._given += size
        await super().send(message)
        self.responses.sent += size
        self.responses.parked += self.parked and size  # About: the connection adds them up when it has read something.
        while self.parked > (HIGH_WATER_LIMIT if self.responses.parked <= _MOST_PARKED else 0):
            if self.disconnected:
                break
            await self.responses.progress()

    def stalls(self, now: float) -> float:
        """Return for how many seconds the client has taken nothing of what is parked, as far as these calls saw."""
        taken = self._given - self.parked
        if not self.parked or taken != self._taken:
            self._taken, self._since = taken, now
        return now - self._since

    def disconnect(self) -> None:
        self.disconnected = True
        self.message_event.set()
