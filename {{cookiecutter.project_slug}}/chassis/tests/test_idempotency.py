"""Requests that come again: what they do, they do once."""

import asyncio
import random
from collections import Counter
from uuid import UUID, uuid1, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from starlette.types import Message, Receive, Scope, Send

from chassis.database._pools import Database
from chassis.idempotency import ATTEMPTS, CLEANED
from chassis.migrations import LOCK
from chassis.testing import with_state
from example.main import State
from tests.effects import counted, execute
from tests.postgres_proxy import proxied


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


async def test_the_first_answer_is_sent_again(calling: AsyncClient, effects: Database) -> None:
    headers = key()
    first, again = [await calling.post("/effects/a", headers=headers) for _ in range(2)]
    assert (again.status_code, again.json(), again.headers["Location"]) == (201, "a", "/effects/a")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    quoted = {"Idempotency-Key": f'"{headers["Idempotency-Key"]}"'}
    assert (await calling.post("/effects/a", headers=quoted)).json() == "a"
    assert await counted(effects) == 1


async def test_what_has_no_effect_has_no_use_for_a_key(calling: AsyncClient, effects: Database) -> None:
    assert (await calling.get("/effects/a", headers={"Idempotency-Key": "any"})).json() == "a"
    assert await counted(effects, "idempotency_keys") == 0


async def test_without_a_key_each_request_counts(calling: AsyncClient, effects: Database) -> None:
    for _ in range(2):
        assert (await calling.post("/effects/a")).status_code == 201
    assert (await counted(effects), await counted(effects, "idempotency_keys")) == (2, 0)


@pytest.mark.parametrize(
    "values", [["1"], [""], ["not-a-key"], [str(uuid4()), str(uuid4())], [f"{uuid4()}, {uuid4()}"]]
)
async def test_a_malformed_key_is_rejected(calling: AsyncClient, effects: Database, values: list[str]) -> None:
    response = await calling.post("/effects/a", headers=[("Idempotency-Key", value) for value in values])
    assert (response.status_code, response.json()["type"]) == (400, "/problems/malformed-idempotency-key")
    assert await counted(effects) == 0


@pytest.mark.parametrize(("path", "content"), [("/effects/b", b"1"), ("/effects/a?wait=0", b"1"), ("/effects/a", b"2")])
async def test_a_key_belongs_to_one_request(calling: AsyncClient, effects: Database, path: str, content: bytes) -> None:
    headers = key()
    assert (await calling.post("/effects/a", content=b"1", headers=headers)).status_code == 201
    response = await calling.post(path, content=content, headers=headers)
    assert (response.status_code, response.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert await counted(effects) == 1


async def test_an_error_is_not_kept(calling: AsyncClient, effects: Database) -> None:
    headers = key()
    responses = [await calling.post("/effects/a/refused-once", headers=headers) for _ in range(3)]
    assert [response.status_code for response in responses] == [409, 200, 200]
    assert await counted(effects) == 1


async def test_a_duplicate_that_comes_meanwhile_is_told_so_at_once(calling: AsyncClient, effects: Database) -> None:
    headers = key()
    responses = await asyncio.gather(*(calling.post("/effects/a?wait=1.5", headers=headers) for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 9
    busy = next(response for response in responses if response.status_code == 409)
    assert (busy.json()["type"], busy.headers["Retry-After"]) == ("/problems/idempotency-key-in-use", "1")
    assert await counted(effects) == 1


async def test_a_key_cannot_take_the_lock_of_the_migrations(calling: AsyncClient, effects: Database) -> None:
    async with effects.transaction() as migrating:
        await migrating.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        response = await calling.post("/effects/a", headers={"Idempotency-Key": str(UUID(int=LOCK))})
    assert response.status_code == 201


@pytest.mark.usefixtures("effects")
async def test_keys_that_are_alike_do_not_wait_for_each_other(calling: AsyncClient) -> None:
    """UUIDs of version 1 from one machine have the last eight bytes in common."""
    keys = [{"Idempotency-Key": str(uuid1(node=7, clock_seq=7))} for _ in range(3)]
    responses = await asyncio.gather(*(calling.post("/effects/a?wait=0.1", headers=each) for each in keys))
    assert [response.status_code for response in responses] == [201, 201, 201]


async def test_no_effect_is_doubled(calling: AsyncClient, effects: Database) -> None:
    """Clients that repeat at random, and give up at random: each key has its effect at most once."""
    chance = random.Random(7)  # noqa: S311 - The same each time.
    keys = {name: key() for name in "abcdefgh"}
    succeeded: Counter[str] = Counter()

    async def client() -> None:
        for _ in range(12):
            name = chance.choice(list(keys))
            try:
                async with asyncio.timeout(chance.choice([0.002, 0.01, 5])):
                    response = await calling.post(f"/effects/{name}", headers=keys[name])
            except TimeoutError:
                continue
            assert response.status_code in {201, 409, 503}
            succeeded[name] += response.status_code == 201

    await asyncio.gather(*(client() for _ in range(8)))
    for name, headers in keys.items():
        response = await calling.post(f"/effects/{name}", headers=headers)
        assert response.status_code == 201
    assert sum(succeeded.values()) > len(keys)
    assert await counted(effects) == len(keys)


async def test_an_answer_that_is_lost_on_the_wire_is_sent_again(
    routed: FastAPI, effects: Database, state: State
) -> None:
    """The connection to the client ends after the commit and before the response."""

    async def losing(scope: Scope, receive: Receive, send: Send) -> None:
        del send

        async def lose(message: Message) -> None:
            raise ConnectionResetError(message["type"])

        await with_state(routed, state)(scope, receive, lose)

    headers = key()
    async with AsyncClient(transport=ASGITransport(losing), base_url="http://test") as client:
        with pytest.raises(ConnectionResetError, match=r"http\.response\.start"):
            await client.post("/effects/a", headers=headers)
    assert await counted(effects) == 1
    transport = ASGITransport(with_state(routed, state))
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        again = await client.post("/effects/a", headers=headers)
    assert (again.status_code, again.json(), again.headers["Location"]) == (201, "a", "/effects/a")
    assert await counted(effects) == 1


async def test_a_commit_whose_acknowledgement_is_lost_is_found_again(
    routed: FastAPI, effects: Database, state: State, migrated_url: str
) -> None:
    """The connection to the database ends after it has committed and before it has said so."""
    async with proxied(migrated_url, losing=b"COMMIT;") as url:
        settings = state["database"].settings.model_copy(update={"url": SecretStr(url)})
        async with Database.open(settings) as unlucky:
            transport = ASGITransport(with_state(routed, State(**{**state, "database": unlucky})))
            async with AsyncClient(transport=transport, base_url="http://test") as client:
                headers = key()
                assert (await client.post("/effects/a", headers=headers)).status_code == 503
                assert await counted(effects) == 1
    transport = ASGITransport(with_state(routed, state))
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        again = await client.post("/effects/a", headers=headers)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert await counted(effects) == 1


async def test_keys_expire(calling: AsyncClient, effects: Database) -> None:
    headers = key()
    await calling.post("/effects/a", headers=headers)
    await execute(effects, "UPDATE idempotency_keys SET expires_at = now()")
    response = await calling.post("/effects/b", headers=headers)
    assert (response.status_code, response.json()) == (201, "b")
    assert (await calling.post("/effects/b", headers=headers)).headers["Idempotent-Replayed"]
    assert (await counted(effects), await counted(effects, "idempotency_keys")) == (2, 1)


async def test_each_new_answer_removes_some_that_have_expired(calling: AsyncClient, effects: Database) -> None:
    old = "INSERT INTO idempotency_keys (key, fingerprint, expires_at) SELECT gen_random_uuid(), '', now()"
    await execute(effects, f"{old} FROM generate_series(1, :count)", count=CLEANED + 3)
    await calling.post("/effects/a", headers=key())
    assert await counted(effects, "idempotency_keys") == 3 + 1
    await calling.post("/effects/a", headers=key())
    assert await counted(effects, "idempotency_keys") == 2


async def test_who_loses_against_another_transaction_runs_again(calling: AsyncClient, effects: Database) -> None:
    """Two serializable transactions count the rows and add one each: PostgreSQL refuses one of them, with 40001."""
    responses = await asyncio.gather(*(calling.post(f"/effects/{name}/after-all") for name in "ab"))
    assert sorted((response.status_code, response.json()) for response in responses) == [(200, 0), (200, 1)]
    assert await counted(effects) == 2


async def test_who_always_loses_is_told_so_after_some_attempts(
    calling: AsyncClient, effects: Database, routed: FastAPI
) -> None:
    response = await calling.post("/effects/a/in-vain", headers=key())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert len(routed.state.attempts) == ATTEMPTS
    assert (await counted(effects), await counted(effects, "idempotency_keys")) == (0, 0)


async def test_a_body_that_is_too_large_is_rejected_with_a_key_too(calling: AsyncClient) -> None:
    response = await calling.post("/effects/a", headers=key(), content=b"x" * 2**21)
    assert response.status_code == 413
