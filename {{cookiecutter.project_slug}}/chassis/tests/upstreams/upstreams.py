"""A faulty upstream, and a client of it."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

import pytest
from pydantic import BaseModel, HttpUrl

from chassis.errors import ServiceError
from chassis.upstreams._client import Upstream
from chassis.upstreams._settings import UpstreamSettings
from tests.upstreams import raw_upstream as scenarios
from tests.upstreams.raw_upstream import RawUpstream

SHORT_TIMEOUTS = {"deadline": 0.5, "read_timeout": 0.4}
"""For an upstream that does not respond. All other tests have long timeouts: this machine may be busy."""


class Outcome(BaseModel):
    ok: bool


@pytest.fixture(scope="module")
def raw_server() -> Iterator[RawUpstream]:
    with RawUpstream.running() as server:
        yield server


@pytest.fixture
def upstream(raw_server: RawUpstream) -> RawUpstream:
    raw_server.scenarios, raw_server.connections = [scenarios.good], 0
    raw_server.requests.clear()
    return raw_server


def opened(upstream: RawUpstream, **settings: Any) -> AbstractAsyncContextManager[Upstream]:
    given = {"deadline": 20, "read_timeout": 15, "max_response_size": 131_072, "breaker_failure_threshold": 1000}
    return Upstream.open("fake", UpstreamSettings(base_url=HttpUrl(upstream.url), **given | settings))


async def outcome(client: Upstream) -> int:
    try:
        await client.call("GET", "payments", Outcome)
    except ServiceError as error:
        return error.status
    return HTTPStatus.OK
