"""A stand-in for the public rates API: a real ASGI application on a real server, with manners that a test chooses."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Self

import pytest
import uvicorn
from pydantic import HttpUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from app.settings import ExchangeRatesSettings, Settings

RATES = {"EUR": Decimal(1), "GBP": Decimal("0.80"), "JPY": Decimal("160.25"), "USD": Decimal("1.10")}


class RatesAPI:
    """`manner` is what the next answers are like; `requests` are those that came in."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/"
        self.reset()

    def reset(self) -> None:
        self.manner = "good"
        self.requests: list[Request] = []

    async def latest(self, request: Request) -> Response:
        self.requests.append(request)
        base, quote = request.query_params["base"], request.query_params["symbols"]
        if self.manner in _DELAYS:
            await asyncio.sleep(_DELAYS[self.manner])
        if self.manner in _ANSWERS:
            return _ANSWERS[self.manner](base, quote)
        rate = RATES.get(quote, Decimal(2)) / RATES.get(base, Decimal(2))
        return JSONResponse({"amount": 1.0, "base": base, "rates": {quote: float(rate)}})

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            api = cls(listener.getsockname()[1])
            app = Starlette(routes=[Route("/v1/latest", api.latest)])
            server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                yield api
            finally:
                server.force_exit = server.should_exit = True
                thread.join()

    def called_by(self, settings: Settings, *, hasty: bool = False) -> Settings:
        """Have a service call this API, with little patience where that is what a test is about."""
        ours = ExchangeRatesSettings(
            base_url=HttpUrl(self.url),
            deadline=0.5 if hasty else 20,
            read_timeout=0.3 if hasty else 15,
            max_response_size=65_536,
        )
        return settings.model_copy(update={"exchange_rates": ours})


@pytest.fixture(scope="session")
def rates_server() -> Iterator[RatesAPI]:
    with RatesAPI.running() as api:
        yield api


@pytest.fixture
def rates_api(rates_server: RatesAPI) -> RatesAPI:
    rates_server.reset()
    return rates_server


async def _drip() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b" "
        await asyncio.sleep(0.05)


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(1_000):
        yield b" " * 65_536


_DELAYS = {"slow": 5.0, "a while": 0.5}  # Seconds.
_ANSWERS: dict[str, Callable[[str, str], Response]] = {
    "drip": lambda _base, _quote: StreamingResponse(_drip(), media_type="application/json"),
    "endless": lambda _base, _quote: StreamingResponse(_endless(), media_type="application/json"),
    "garbage": lambda _base, _quote: Response(b"\x00\xff<html>", media_type="application/json"),
    "wrong": lambda base, quote: JSONResponse({"base": base, "rates": {quote: "-1"}}),
    "other": lambda base, _quote: JSONResponse({"base": base, "rates": {"XYZ": 1}}),
    "broken": lambda _base, _quote: Response("no", status_code=500),
    "redirect": lambda _base, _quote: RedirectResponse("http://127.0.0.1:1/elsewhere"),
    "busy": lambda _base, _quote: Response("later", status_code=503, headers={"Retry-After": "3600"}),
    "ignorant": lambda _base, _quote: JSONResponse({"message": "not found"}, status_code=404),
}
