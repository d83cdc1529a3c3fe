"""The network between the service and PostgreSQL: it passes everything on, and cuts at chosen moments."""

import asyncio
import collections
import contextlib
import enum
import itertools
from collections.abc import AsyncIterator
from typing import Self


class Moment(enum.Enum):
    IN_TRANSACTION = "PostgreSQL has the first statement"
    BEFORE_COMMIT = "the COMMIT never reaches PostgreSQL"
    AFTER_COMMIT = "PostgreSQL has committed, the service never hears of it"


_EVERY = 6  # One transaction of so many.


class Wire:
    def __init__(self, port: int) -> None:
        self.target = port
        self.cutting = False
        self.cuts: collections.Counter[Moment] = collections.Counter()
        self._moments = itertools.cycle([moment if cut else None for moment in Moment for cut in _pattern()])

    @contextlib.asynccontextmanager
    async def open(self, port: int) -> AsyncIterator[Self]:
        async with await asyncio.start_server(self._connected, "127.0.0.1", port):
            yield self

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, statements = await asyncio.open_connection("127.0.0.1", self.target)
        cable = _Cable(self, writer, statements)
        both = (cable.pass_on_statements(reader), cable.pass_on_answers(answers))
        await asyncio.gather(*both, return_exceptions=True)  # A reset is what this is about.
        cable.cut()
        for end in (writer, statements):
            with contextlib.suppress(OSError):
                await end.wait_closed()

    def moment(self) -> Moment | None:
        """Decide on the next transaction."""
        return next(self._moments) if self.cutting else None


def _pattern() -> list[bool]:
    return [False] * (_EVERY - 1) + [True]


class _Cable:
    def __init__(self, wire: Wire, service: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.wire, self.service, self.server = wire, service, server
        self.moment: Moment | None = None
        self.deaf = False

    async def pass_on_statements(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            begins, commits = b"BEGIN" in data, b"COMMIT" in data
            if commits and self.moment is Moment.BEFORE_COMMIT:
                break
            self.deaf = commits and self.moment is Moment.AFTER_COMMIT
            self.server.write(data)
            if self.moment is Moment.IN_TRANSACTION:
                break
            if begins:
                self.moment = self.wire.moment()
        else:
            self.moment = None
        self.cut()

    async def pass_on_answers(self, reader: asyncio.StreamReader) -> None:
        while (data := await reader.read(65536)) and not self.deaf:
            self.service.write(data)
        self.cut()

    def cut(self) -> None:
        if self.moment:
            self.wire.cuts[self.moment] += 1
            self.moment = None
        # Not a goodbye, but a reset: as from a middlebox that has forgotten the connection.
        for writer in (self.service, self.server):
            writer.transport.abort()
