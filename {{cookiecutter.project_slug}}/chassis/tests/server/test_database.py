import asyncio
import signal

import asyncpg
import httpx2

from chassis.testing import PATIENCE
from tests.server.conftest import Serve


async def backends(database_url: str, query: str = "") -> set[int]:
    """The other connections to this database. With `query`, only those that run it."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND ($1 = '' OR (query = $1 AND state = 'active'))",
            query,
        )
    finally:
        await connection.close()
    return {row["pid"] for row in rows}


async def test_a_deadline_cancels_the_query_and_a_stop_leaves_no_backend(serve: Serve, migrated_url: str) -> None:
    before = await backends(migrated_url)
    times = {"APP_SERVER__DEADLINE": "2", "APP_DATABASE__STATEMENT_TIMEOUT": "1.5"}
    server = serve({"APP_DATABASE__URL": migrated_url} | times)
    async with httpx2.AsyncClient(timeout=PATIENCE) as client:
        asked = [asyncio.create_task(client.get(server.url + "/query")) for _ in range(3)]
        while len(await backends(migrated_url, "SELECT pg_sleep(0.5)")) < 3:
            assert not any(each.done() for each in asked)
            await asyncio.sleep(0.05)
        answers = await asyncio.gather(*asked)
    assert {answer.json()["type"] for answer in answers} == {"/problems/deadline-exceeded"}
    assert not await backends(migrated_url, "SELECT pg_sleep(0.5)")
    server.signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.wait) == 0
    assert await backends(migrated_url) <= before
