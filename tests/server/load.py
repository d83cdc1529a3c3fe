"""A client that forgives nothing: every request that is not answered with its 200 is a failure."""

import asyncio
import collections
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Self

PATIENCE = 10.0  # Seconds for one request.


async def until(condition: Callable[[], object], what: str, within: float = 30) -> None:
    """Look again and again."""
    ends = asyncio.get_running_loop().time() + within
    while asyncio.get_running_loop().time() < ends:
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited in vain {what}")


class Load:
    """Some connections that ask without pause, each request on its own connection or many on one.

    `async with Load(port).running(): ...` runs it for as long as the block takes.
    """

    def __init__(
        self,
        port: int,
        *,
        path: str = "/livez",
        clients: int = 8,
        keep_alive: bool = True,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.port, self.clients, self.keep_alive, self.context = port, clients, keep_alive, context
        closing = "" if keep_alive else "Connection: close\r\n"
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{closing}\r\n".encode()
        self.answered = 0
        self.failures: collections.Counter[str] = collections.Counter()
        self.stopping = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.clients):
                group.create_task(self._client())
            try:
                yield self
            finally:
                self.stopping.set()

    async def reach(self, answers: int, within: float = 60) -> None:
        """Wait until that many requests in all have been answered."""
        await until(lambda: self.answered >= answers, f"for {answers} answers", within)

    async def _client(self) -> None:
        while not self.stopping.is_set():
            try:
                async with asyncio.timeout(PATIENCE):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
            except (OSError, TimeoutError) as error:
                self.failures[f"connect: {error!r}"] += 1
                await asyncio.sleep(0.01)
                continue
            try:
                while not self.stopping.is_set() and await self._ask(reader, writer):
                    pass
            except (OSError, EOFError, TimeoutError) as error:
                self.failures[repr(error)[:80]] += 1
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection may be used again."""
        async with asyncio.timeout(PATIENCE):
            writer.write(self.request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        if head.startswith(b"http/1.1 200 "):
            self.answered += 1
        else:
            self.failures[head[:20].decode()] += 1
        return b"connection: close" not in head
