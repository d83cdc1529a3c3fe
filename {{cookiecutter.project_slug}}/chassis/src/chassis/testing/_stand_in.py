"""A stand-in for an API that this service calls: a real application on a real server, with faults on demand.

class PaymentsAPI(StandIn):
    upstream = "payments"             # The name of the upstream's settings.
    path = "/v1/payments/{id}"        # The one path of the API.

    def good(self, request): ...      # The response when nothing is wrong.
"""

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Self

from pydantic import HttpUrl
from pydantic_settings import BaseSettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from chassis.testing._uvicorn_thread import serving

type Answer = Callable[[Request], Response]


class StandIn(ABC):
    """`scenario` selects the next responses. `requests` are those that it received."""

    upstream: ClassVar[str]
    path: ClassVar[str]
    scenarios: ClassVar[dict[str, Answer]] = {}
    """In addition to those that every stand-in has."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/"
        self.reset()

    def reset(self) -> None:
        self.scenario = "good"
        self.requests: list[Request] = []

    @abstractmethod
    def good(self, request: Request) -> Response: ...

    async def answer(self, request: Request) -> Response:
        self.requests.append(request)
        scenario = self.scenario
        if scenario == "busy once":
            self.scenario = "good"
        if scenario in _DELAYS:
            await asyncio.sleep(_DELAYS[scenario])
        return (_SCENARIOS | self.scenarios).get(scenario, self.good)(request)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            api = cls(listener.getsockname()[1])
            with serving(Starlette(routes=[Route(cls.path, api.answer)]), listener):
                yield api

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables with which a service calls this API."""
        return {f"APP_{self.upstream.upper()}__BASE_URL": self.url}

    def called_by[Settings: BaseSettings](self, settings: Settings, *, short_timeouts: bool = False) -> Settings:
        """Return settings with which a service calls this API. Use short timeouts to test timeouts."""
        times = {"deadline": 0.5, "read_timeout": 0.3} if short_timeouts else {"deadline": 20, "read_timeout": 15}
        here = {"base_url": HttpUrl(self.url), "max_response_size": 65_536, **times}
        return settings.model_copy(update={self.upstream: getattr(settings, self.upstream).model_copy(update=here)})


async def _drip() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b" "
        await asyncio.sleep(0.05)


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(1_000):
        yield b" " * 65_536


_DELAYS = {"slow": 60.0, "a while": 0.5}  # Seconds.
_SCENARIOS: dict[str, Answer] = {
    "drip": lambda _: StreamingResponse(_drip(), media_type="application/json"),
    "endless": lambda _: StreamingResponse(_endless(), media_type="application/json"),
    "garbage": lambda _: Response(b"\x00\xff<html>", media_type="application/json"),
    "wrong": lambda _: JSONResponse({"surprise": True}),
    "broken": lambda _: Response("no", status_code=500),
    "redirect": lambda _: RedirectResponse("http://127.0.0.1:1/elsewhere"),
    "busy": lambda _: Response("later", status_code=503, headers={"Retry-After": "3600"}),
    "busy once": lambda _: Response("later", status_code=503),
    "unauthorized": lambda _: Response("no", status_code=401),
    "forbidden": lambda _: Response("no", status_code=403),
    "rate limited": lambda _: Response("later", status_code=429),
    "not found": lambda _: JSONResponse({"message": "not found"}, status_code=404),
}
