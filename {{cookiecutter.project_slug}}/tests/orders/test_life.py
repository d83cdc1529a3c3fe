"""The life of orders against a model of it, through HTTP, while the database misbehaves between the steps.

Hypothesis draws the steps, and shrinks those that end in a difference. Every change is sent with an Idempotency-Key
until there is a response, as a good client does; the model knows what a change means, and nothing of databases.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from chassis.testing import ServerProcess
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test

from tests.factories import new_order

ORDERS = "/v1/orders"
TRANSITIONS = {"placed": {"paid", "cancelled"}, "paid": {"shipped", "cancelled"}, "shipped": {"delivered"}}
ATTEMPTS = 30  # A fault fails one or two.

statuses = st.sampled_from(["placed", "paid", "shipped", "delivered", "cancelled"])


class Life(RuleBasedStateMachine):
    http: httpx2.Client
    loop: asyncio.Runner
    database: asyncpg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, str] = {}

    known = Bundle("known")

    @rule(target=known)
    def place(self) -> str:
        new = new_order()
        response = self.send("POST", ORDERS, new)
        assert response.status_code == 201
        order = response.json()
        assert order | new == order
        return self.learnt(order["id"], response)

    @rule(order=known, status=statuses, stale=st.booleans())
    def change(self, order: str, status: str, stale: bool) -> None:
        tag = '"0"' if stale else self.tags[order]
        response = self.send("PATCH", f"{ORDERS}/{order}", {"status": status}, **{"If-Match": tag})
        if stale:
            assert response.status_code == 412
        elif status in TRANSITIONS.get(self.orders[order]["status"], ()):
            assert response.json() | {"updated_at": ""} == self.orders[order] | {"status": status, "updated_at": ""}
            self.learnt(order, response)
        else:
            assert response.status_code == 409

    @rule(order=consumes(known))
    def delete(self, order: str) -> None:
        response = self.send("DELETE", f"{ORDERS}/{order}", **{"If-Match": self.tags[order]})
        assert response.status_code == 204
        assert self.send("GET", f"{ORDERS}/{order}").status_code == 404
        del self.orders[order]

    @rule(order=known, cached=st.booleans())
    def get(self, order: str, cached: bool) -> None:
        response = self.send("GET", f"{ORDERS}/{order}", **({"If-None-Match": self.tags[order]} if cached else {}))
        assert response.status_code == (304 if cached else 200)
        assert cached or response.json() == self.orders[order]
        assert response.headers["ETag"] == self.tags[order]

    @rule()
    def list_all(self) -> None:
        items = self.send("GET", f"{ORDERS}?limit=100").json()["items"]
        assert {each["id"]: each for each in items} == self.orders

    @rule()
    def end_all_connections(self) -> None:
        self.sql(_TERMINATE)

    @rule(target=known)
    def place_while_the_table_is_locked(self) -> str:
        """The first attempts run into the statement timeout, and leave nothing behind."""
        with self.locked():
            new, headers = new_order(), {"Idempotency-Key": str(uuid4())}
            response = self.http.post(ORDERS, json=new, headers=headers)
            assert response.status_code in {503, 504}
        response = self.send("POST", ORDERS, new, **headers)
        assert response.status_code == 201
        return self.learnt(response.json()["id"], response)

    def send(self, method: str, path: str, json: object = None, **headers: str) -> httpx2.Response:
        """Send it until there is a response other than 503 and 504."""
        headers = {"Idempotency-Key": str(uuid4())} | headers
        for _ in range(ATTEMPTS):
            response = self.http.request(method, path, json=json, headers=headers)
            if response.status_code not in {503, 504}:
                assert response.status_code < 500
                return response
        raise AssertionError(f"{method} {path} has no response after {ATTEMPTS} attempts")

    def learnt(self, order: str, response: httpx2.Response) -> str:
        self.orders[order], self.tags[order] = response.json(), response.headers["ETag"]
        return order

    @contextmanager
    def locked(self) -> Iterator[None]:
        self.sql("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        yield
        self.sql("COMMIT")

    def sql(self, statement: str) -> None:
        self.loop.run(self.database.execute(statement))

    def teardown(self) -> None:
        self.sql("TRUNCATE orders, idempotency_keys CASCADE")


@pytest.mark.timeout(300)
def test_orders_live_as_the_model_does(emptied_url: str) -> None:
    variables = {"APP_DATABASE__URL": emptied_url, "APP_DATABASE__STATEMENT_TIMEOUT": "0.1"}
    with (
        asyncio.Runner() as Life.loop,
        ServerProcess(variables) as server,
        httpx2.Client(base_url=server.url, timeout=60) as Life.http,
    ):
        Life.database = Life.loop.run(asyncpg.connect(emptied_url))
        run_state_machine_as_test(
            Life,
            settings=settings(max_examples=6, stateful_step_count=20, suppress_health_check=list(HealthCheck)),
        )
        Life.loop.run(Life.database.close())


_TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
