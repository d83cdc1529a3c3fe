"""One HTTP/2 request of uvicorn, whose response waits while the client's flow-control window is closed.

Private API: `Cycle` is the class that an existing `RequestResponseCycle` gets. It overrides `send`, and reads
    `disconnected` and `stream`.
Why: uvicorn passes everything to the parser `zttp`, which keeps what the client's window has no room for.
Checked by: tests/server/test_library_api.py (names) and the template's tests/server/test_http2.py (behaviour).
"""

from typing import Any, Protocol, override

from uvicorn.protocols.http.zttp_h2_impl import RequestResponseCycle


class Connection(Protocol):
    async def until_taken(self, cycle: "Cycle", size: int) -> None: ...


class Cycle(RequestResponseCycle):
    head_size: int
    connection: Connection
    task_ended = finished = False
    _given = 0
    _sent = -1
    _since = 0.0

    @property
    def parked(self) -> int:
        """Bytes of the response that wait for the client's window."""
        return self.stream.pending_bytes or 0

    @override
    async def send(self, message: Any) -> None:
        size = len(message.get("body", b""))
        self._given += size
        await super().send(message)
        await self.connection.until_taken(self, size)

    def disconnect(self) -> None:
        self.disconnected = True
        self.message_event.set()

    def stalled(self, now: float) -> float:
        """Return for how many seconds bytes have been parked and the client has taken none, as seen by these calls."""
        sent = self._given - self.parked
        if not self.parked or sent != self._sent:
            self._sent, self._since = sent, now
        return now - self._since
