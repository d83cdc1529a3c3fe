"""The client of an upstream. The package's docstring shows the steps of a call."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self, TypedDict, Unpack, cast

import structlog
from httpx2 import (
    AsyncByteStream,
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
from chassis.upstreams._retries import IDEMPOTENT_METHODS, Response, Retries, RetryBudget
from chassis.upstreams._settings import UpstreamSettings
from chassis.upstreams._surplus import close_if_surplus

log = structlog.stdlib.get_logger("chassis.outbound")

# The time left until the deadline, in milliseconds. Envoy sets and respects it; no standard header has fractions.
REMAINING_TIME = "X-Envoy-Expected-Rq-Timeout-Ms"
RESPONSE_MARGIN = 0.05  # Seconds before the request's own deadline, in which to send the error of a late call.


class UpstreamFailed(ServiceError):
    status = 502
    slug = "upstream-failed"
    title = "An upstream service failed"


class UpstreamTimeout(ServiceError):
    status = 504
    slug = "upstream-timeout"
    title = "An upstream service did not respond in time"


class UpstreamUnavailable(ServiceError):
    status = 503
    slug = "upstream-unavailable"
    title = "An upstream service is unavailable at the moment"

    def __init__(self, upstream: str, seconds: float = 1) -> None:
        super().__init__(upstream)
        self.headers = {"Retry-After": str(max(math.ceil(seconds), 1))}  # type: ignore[misc]  # Differs for each call.


class ResponseTooLarge(Exception):
    pass


class Call(TypedDict, total=False):
    params: Mapping[str, str | Sequence[str]]
    body: BaseModel
    idempotency_key: str
    """Sent as `Idempotency-Key`. The upstream must support it: with a key, POST and PATCH are retried too."""
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
        """Open the connection pool, without a connection yet."""
        if str(settings.base_url).endswith(".invalid/"):  # RFC 6761 reserves it: such a name never resolves.
            log.warning("upstream has no address yet: calls to it fail", upstream=name, base_url=str(settings.base_url))
        breaker = Breaker(
            name,
            failure_threshold=settings.breaker_failure_threshold,
            reset_timeout=settings.breaker_reset_timeout,
        )
        retries = Retries(name, settings.attempts, RetryBudget(settings.retry_ratio))
        async with _client(settings) as client:
            yield cls(name, client, settings, breaker, retries)

    async def call[Model: BaseModel](self, method: str, path: str, model: type[Model], **call: Unpack[Call]) -> Model:
        """Send a request and validate the JSON of the response."""
        content = await self.send(method, path, **call)
        try:
            return model.model_validate_json(content)
        except ValidationError as error:
            raise self._reported(UpstreamFailed, f"{error.error_count()} invalid fields") from error

    async def send(self, method: str, path: str, **call: Unpack[Call]) -> bytes:
        """Send a request and return the body of a 2xx response."""
        request, ends_at = self._request(method, path, call), self._ends_at()
        retryable = method in IDEMPOTENT_METHODS or "idempotency_key" in call
        try:
            with self.breaker.guard(UpstreamFailed, UpstreamTimeout) as probe:
                response = await self._response(request, ends_at, retryable=retryable and not probe)
        except CircuitOpen as circuit:
            raise UpstreamUnavailable(self.name, circuit.seconds) from circuit
        if error := call.get("on_status", {}).get(response.status):
            raise error
        if not 200 <= response.status < 300:  # noqa: PLR2004 - RFC 9110's classes of status.
            raise self._reported(UpstreamFailed, f"status {response.status}")
        return response.content

    def _request(self, method: str, path: str, call: Call) -> Request:
        headers, body = {}, call.get("body")
        if "idempotency_key" in call:
            headers["Idempotency-Key"] = call["idempotency_key"]
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else body.model_dump_json()
        return self.client.build_request(method, path, params=call.get("params"), content=content, headers=headers)

    def _ends_at(self) -> float:
        """Return the end of the call as a time of the event loop."""
        now = asyncio.get_running_loop().time()
        ends_at = now + self.settings.deadline
        if (timeout := request_timeout.get()) and (request_ends_at := timeout.when()) is not None:
            ends_at = min(ends_at, request_ends_at - RESPONSE_MARGIN)
        if ends_at <= now:
            raise self._reported(UpstreamTimeout, "the request has no time left for this call")
        return ends_at

    async def _response(self, request: Request, ends_at: float, *, retryable: bool) -> Response:
        async def send() -> Response:
            return await self._send_once(request, ends_at)

        try:
            async with asyncio.timeout_at(ends_at):
                response = await (self.retries.run(send, ends_at) if retryable else send())
        except PoolTimeout as error:
            raise self._reported(UpstreamUnavailable, "the connection pool is full") from error
        except TimeoutException as error:
            raise self._reported(UpstreamTimeout, type(error).__name__) from error
        except TimeoutError as error:
            raise self._reported(UpstreamTimeout, "no response within the deadline") from error
        # OSError: httpx2 does not wrap TLS errors that happen in the middle of a response.
        except (NetworkError, RemoteProtocolError, ProxyError, OSError, ResponseTooLarge) as error:
            raise self._reported(UpstreamFailed, f"{type(error).__name__}: {error}") from error
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._reported(UpstreamFailed, f"status {response.status}")
        return response

    async def _send_once(self, request: Request, ends_at: float) -> Response:
        remaining = ends_at - asyncio.get_running_loop().time()
        request.headers[REMAINING_TIME] = str(int(remaining * 1000))
        content = bytearray()
        async with aclosing(await self.client.send(request, stream=True)) as response:
            # At its end, `aiter_raw` would return the connection to the pool.
            async for chunk in cast("AsyncByteStream", response.stream):
                content += chunk
                if len(content) > self.settings.max_response_size:
                    raise ResponseTooLarge(f"more than {self.settings.max_response_size} bytes")
                # One read can hold thousands of tiny chunks, and iterating over them never yields to the event loop.
                await asyncio.sleep(0)
            if close_if_surplus(response):
                log.warning("upstream sent bytes after its response: closing the connection", upstream=self.name)
        return Response(response.status_code, bytes(content), response.headers.get("Retry-After"))

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
        # Less than the idle timeout of common servers (nginx: 75 s, Node: 5 s): a call must not reuse a connection
        # that the server is about to close.
        limits=Limits(max_connections=settings.max_connections, keepalive_expiry=4),
        # No compression: a small response cannot decompress to a huge one.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        cookies=CookieJar(
            DefaultCookiePolicy(allowed_domains=())
        ),  # No cookies: calls for different users share this client.
        event_hooks={"request": [_propagate_context]},
        proxy=str(proxy.get_secret_value()) if proxy else None,
        verify=settings.tls.context(),
    )


async def _propagate_context(request: Request) -> None:
    if (current := request_id.get()) is not None:
        request.headers["X-Request-ID"] = current
    inject(request.headers)  # Adds traceparent if the request is traced.
