"""Clients that place orders, read them and list them without pause, and keep books of what they were told.

`async with Clients(port, "name").running() as clients: ...` runs them for as long as the block takes. A
client that sent an `Idempotency-Key` repeats its order until it is told 201, as such clients do.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from typing import Self
from uuid import uuid4

from tests.chaos.http_connection import Answer, Connection
from tests.chaos.records import DEADLINE, Books, Record, Records

CLIENTS = 24
PAUSE = 0.05  # Seconds between two requests of one client; without it they would test this machine.
PATIENCE = DEADLINE + 5  # Far more than the service may take: to see how slow it was.
LOST = 0  # The status of an answer that never came.


class Clients:
    def __init__(self, port: int, name: str, *, hang_up: bool = False) -> None:
        """`hang_up`: one in five orders with a key closes its connection when it has sent its request."""
        self.port, self.name, self.hang_up = port, name, hang_up
        self.records, self.books = Records(), Books()
        self._numbers = itertools.count()
        self._random = random.Random(name)  # noqa: S311 - The same mixture each time.
        self._stopping = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client())
            try:
                yield self
            finally:
                self._stopping = True

    async def _client(self) -> None:
        connection = None
        try:
            while not self._stopping:
                connection = await self._one_of_the_mixture(connection)
                await asyncio.sleep(PAUSE)
        finally:
            if connection:
                await connection.close()

    async def _one_of_the_mixture(self, connection: Connection | None) -> Connection | None:
        chosen = self._random.random()
        if chosen < 0.2:
            return await self._place(connection)
        if chosen < 0.4:
            return await self._place_with_key(connection)
        if chosen < 0.8 and self.books.placed:
            known = self._random.choice(list(self.books.placed.values()))
            _, connection = await self._ask(connection, "GET", f"/v1/orders/{known}")
            return connection
        _, connection = await self._ask(connection, "GET", "/v1/orders")
        return connection

    async def _place(self, connection: Connection | None) -> Connection | None:
        order = self._order()
        answer, connection = await self._ask(connection, "POST", "/v1/orders", order)
        self.books.note(order["reference"], answer)
        return connection

    async def _place_with_key(self, connection: Connection | None) -> Connection | None:
        order, key = self._order(), str(uuid4())
        if self.hang_up and self._random.random() < 0.2:
            await self._hang_up(order, key)
        while True:
            answer, connection = await self._ask(connection, "POST", "/v1/orders", order, Idempotency_Key=key)
            self.books.note(order["reference"], answer)
            if answer and answer.status == 201:
                self.books.replays += "idempotent-replayed" in answer.headers
                return connection
            await asyncio.sleep(PAUSE)

    async def _hang_up(self, order: dict[str, str], key: str) -> None:
        connection = await Connection.open(self.port)
        connection.send("POST", "/v1/orders", order, Idempotency_Key=key)
        await asyncio.sleep(self._random.uniform(0, 0.02))  # Before, while or after it is worked on.
        await connection.close()
        self.records.append(Record(asyncio.get_running_loop().time(), 0, LOST, meant=True))

    async def _ask(
        self, connection: Connection | None, method: str, path: str, content: object = None, **headers: str
    ) -> tuple[Answer | None, Connection | None]:
        """Return the answer, if one came, and the connection, if it may be used again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(PATIENCE):
                connection = connection or await Connection.open(self.port)
                answer = await connection.ask(method, path, content, **headers)
        except (OSError, EOFError):
            if connection:
                await connection.close()
            self.records.append(Record(loop.time(), loop.time() - began, LOST))
            return None, None
        self.records.append(
            Record(loop.time(), loop.time() - began, answer.status), f"{method} {path}", answer
        )
        return answer, connection

    def _order(self) -> dict[str, str]:
        return {"reference": f"{self.name}-{next(self._numbers)}", "amount": "12.50", "currency": "EUR"}
