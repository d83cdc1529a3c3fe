"""The client of an upstream: see the package's docstring, which draws the way of a call."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self, TypedDict, Unpack

import structlog
from httpx2 import (
    AsyncClient,
    Limits,
    NetworkError,
    PoolTimeout,
    ProxyError,
    RemoteProtocolError,
    Request,
    Timeout,
    TimeoutException,
)
from opentelemetry.propagate import inject
from pydantic import BaseModel, ValidationError

from chassis.errors import ServiceError
from chassis.limits import request_timeout
from chassis.logs import request_id
from chassis.upstreams._breaker import Breaker, CircuitOpen
from chassis.upstreams._retries import IDEMPOTENT, Answer, Retries, RetryBudget
from chassis.upstreams._settings import UpstreamSettings

log = structlog.stdlib.get_logger("chassis.outbound")

# What is left of the deadline, in milliseconds. Envoy sets it and heeds it; no standard has one with fractions.
TIME_LEFT = "X-Envoy-Expected-Rq-Timeout-Ms"
TIME_TO_ANSWER = 0.05  # Seconds of the request's own time that are kept for the answer that says what happened.


class UpstreamFailed(ServiceError):
    status = 502
    slug = "upstream-failed"
    title = "A service that this one depends on failed"


class UpstreamTimeout(ServiceError):
    status = 504
    slug = "upstream-timeout"
    title = "A service that this one depends on took too long"


class UpstreamUnavailable(ServiceError):
    status = 503
    slug = "upstream-unavailable"
    title = "A service that this one depends on is not asked at the moment"

    def __init__(self, upstream: str, seconds: float = 1) -> None:
        super().__init__(upstream)
        self.headers = {"Retry-After": str(max(math.ceil(seconds), 1))}  # type: ignore[misc]  # Known only now.


class AnswerTooLarge(Exception):
    pass


class Call(TypedDict, total=False):
    params: Mapping[str, str | Sequence[str]]
    body: BaseModel
    idempotency_key: str
    """The upstream does the same request only once under this key, so that a POST or PATCH may be sent again."""
    on_status: Mapping[int, ServiceError]
    """The error to raise for a status below 500. Any other status that is not 2xx raises UpstreamFailed."""


@dataclass(frozen=True)
class Upstream:
    name: str
    client: AsyncClient
    settings: UpstreamSettings
    breaker: Breaker
    retries: Retries

    @classmethod
    @asynccontextmanager
    async def open(cls, name: str, settings: UpstreamSettings) -> AsyncIterator[Self]:
        """Open the pool; no connection is made yet."""
        if str(settings.base_url).endswith(".invalid/"):  # RFC 6761: nobody can have such a name.
            log.warning("upstream has no address yet: its calls fail", upstream=name, base_url=str(settings.base_url))
        breaker = Breaker(name, failures=settings.breaker_failure_threshold, rest=settings.breaker_reset_timeout)
        retries = Retries(name, settings.attempts, RetryBudget(settings.retry_ratio))
        async with _client(settings) as client:
            yield cls(name, client, settings, breaker, retries)

    async def call[Model: BaseModel](self, method: str, path: str, model: type[Model], **call: Unpack[Call]) -> Model:
        """Send a request and validate the JSON document that comes back."""
        content = await self.send(method, path, **call)
        try:
            return model.model_validate_json(content)
        except ValidationError as error:
            raise self._reported(UpstreamFailed, f"{error.error_count()} invalid fields") from error

    async def send(self, method: str, path: str, **call: Unpack[Call]) -> bytes:
        """Send a request and return the body of a 2xx."""
        request, ends = self._request(method, path, call), self._ends()
        repeatable = method in IDEMPOTENT or "idempotency_key" in call
        try:
            with self.breaker.guard(UpstreamFailed, UpstreamTimeout) as probe:
                answer = await self._answer(request, ends, repeatable=repeatable and not probe)
        except CircuitOpen as circuit:
            raise UpstreamUnavailable(self.name, circuit.seconds) from circuit
        if error := call.get("on_status", {}).get(answer.status):
            raise error
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110's classes of status.
            raise self._reported(UpstreamFailed, f"status {answer.status}")
        return answer.content

    def _request(self, method: str, path: str, call: Call) -> Request:
        headers, body = {}, call.get("body")
        if "idempotency_key" in call:
            headers["Idempotency-Key"] = call["idempotency_key"]
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else body.model_dump_json()
        return self.client.build_request(method, path, params=call.get("params"), content=content, headers=headers)

    def _ends(self) -> float:
        """Tell when the call ends, in the event loop's time."""
        now = asyncio.get_running_loop().time()
        ends = now + self.settings.deadline
        if (timeout := request_timeout.get()) and (request_ends := timeout.when()) is not None:
            ends = min(ends, request_ends - TIME_TO_ANSWER)
        if ends <= now:
            raise self._reported(UpstreamTimeout, "the request has no time left for this call")
        return ends

    async def _answer(self, request: Request, ends: float, *, repeatable: bool) -> Answer:
        async def send() -> Answer:
            return await self._exchange(request, ends)

        try:
            async with asyncio.timeout_at(ends):
                answer = await (self.retries.run(send, ends) if repeatable else send())
        except PoolTimeout as error:
            raise self._reported(UpstreamUnavailable, "the pool is full") from error
        except TimeoutException as error:
            raise self._reported(UpstreamTimeout, type(error).__name__) from error
        except TimeoutError as error:
            raise self._reported(UpstreamTimeout, "no answer within the deadline") from error
        # OSError: httpx2 lets TLS's errors through that come in the middle of an answer.
        except (NetworkError, RemoteProtocolError, ProxyError, OSError, AnswerTooLarge) as error:
            raise self._reported(UpstreamFailed, f"{type(error).__name__}: {error}") from error
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._reported(UpstreamFailed, f"status {answer.status}")
        return answer

    async def _exchange(self, request: Request, ends: float) -> Answer:
        left = ends - asyncio.get_running_loop().time()
        request.headers[TIME_LEFT] = str(int(left * 1000))
        content = bytearray()
        async with aclosing(await self.client.send(request, stream=True)) as response:
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > self.settings.max_response_size:
                    raise AnswerTooLarge(f"more than {self.settings.max_response_size} bytes")
                # A read may hold thousands of tiny chunks, and iterating them lets nobody else run.
                await asyncio.sleep(0)
        return Answer(response.status_code, bytes(content), response.headers.get("Retry-After"))

    def _reported(self, error: type[ServiceError], reason: str) -> ServiceError:
        log.warning("upstream call failed", upstream=self.name, reason=reason)
        return error(self.name)


def _client(settings: UpstreamSettings) -> AsyncClient:
    proxy = settings.proxy
    return AsyncClient(
        base_url=str(settings.base_url),
        timeout=Timeout(
            connect=settings.connect_timeout,
            read=settings.read_timeout,
            write=settings.write_timeout,
            pool=settings.pool_timeout,
        ),
        # Below the idle time of common servers (nginx: 75 s, Node: 5 s), or calls meet connections just closed.
        limits=Limits(max_connections=settings.max_connections, keepalive_expiry=4),
        # Nothing is unpacked, so that a small answer cannot become a large one.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # Or one user's would go along with another's call.
        event_hooks={"request": [_pass_on_context]},
        proxy=str(proxy.get_secret_value()) if proxy else None,
        verify=settings.tls.context(),
    )


async def _pass_on_context(request: Request) -> None:
    if (current := request_id.get()) is not None:
        request.headers["X-Request-ID"] = current
    inject(request.headers)  # traceparent, where the request is traced.
