"""Limits for clients, over raw sockets: HTTP libraries cannot send most of these requests."""

import time

import httpx2
import orjson
import pytest

from chassis.testing import PATIENCE, ServerProcess
from tests.server.conftest import Serve
from tests.server.raw import exchange, status

HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
BY_DEFAULT = 10  # Seconds for a head, and for a response. The server of these tests allows less.
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server(serve: Serve) -> ServerProcess:
    return serve(
        {
            "APP_SERVER__HEAD_TIMEOUT": "1.5",
            "APP_SERVER__DEADLINE": "2",
            "APP_SERVER__MAX_CONCURRENCY": "2",
            "APP_SERVER__MAX_BODY_SIZE": "1000",
            "APP_SERVER__TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8",
            "APP_DATABASE__STATEMENT_TIMEOUT": "1",
        }
    )


def test_the_head_of_these_tests_is_valid(server: ServerProcess) -> None:
    answer = exchange(server, HEAD + b"\r\n")
    assert status(answer) == 200
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\nhello\n0\n\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /livez HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: x\n\n",
        b"GET /livez HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n",
    ],
)
def test_ambiguous_requests_are_rejected(server: ServerProcess, request_: bytes) -> None:
    answer = exchange(server, request_)
    assert status(answer) == 400
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: " + b"x" * 40_000 + b"\r\n\r\n",
        HEAD + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /livez?" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["a long header", "many headers", "a long path"],
)
@pytest.mark.parametrize("first", [0, 3, 300, 20_000, 39_990])
def test_a_large_head(server: ServerProcess, head: bytes, first: int) -> None:
    """However much of it comes in the first packet."""
    parts = [part for part in (head[:first], head[first:]) if part]
    assert status(exchange(server, *parts)) == 431


@pytest.mark.parametrize("first", [1, 9_000, 29_990])
def test_the_largest_head(server: ServerProcess, first: int) -> None:
    head = HEAD + b"X: " + b"x" * 30_000 + b"\r\n\r\n"
    assert status(exchange(server, head[:first], head[first:])) == 200


def test_an_endless_head(server: ServerProcess) -> None:
    answer = exchange(server, HEAD + b"X: " + b"x" * 2_000_000)
    # Data that arrives at a closed connection resets it, and can discard the response.
    assert not answer or status(answer) == 431


def test_a_large_body(server: ServerProcess) -> None:
    announced = exchange(server, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
    streamed = exchange(server, CHUNKED + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11)
    for answer in (announced, streamed):
        assert status(answer) == 413
        problem = orjson.loads(answer.partition(b"\r\n\r\n")[2])
        assert problem["type"] == "/problems/content-too-large"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), b""),
        ((b"GET /livez HTTP/1.1\r\nHo",), b"HTTP/1.1 408"),
        ((b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /li"), b"HTTP/1.1 408"),
        ((b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel",), b"HTTP/1.1 408"),
    ],
    ids=["silent", "a slow head", "a slow second head", "a slow body"],
)
def test_a_slow_client(server: ServerProcess, parts: tuple[bytes, ...], expected: bytes) -> None:
    started = time.monotonic()
    answer = exchange(server, *parts)
    assert time.monotonic() - started < BY_DEFAULT
    assert expected in answer
    assert not expected or b"connection: close" in answer.lower()


def test_the_deadline(server: ServerProcess) -> None:
    started = time.monotonic()
    answer = httpx2.get(server.url + "/slow?seconds=60", timeout=PATIENCE)
    assert time.monotonic() - started < BY_DEFAULT
    assert answer.status_code == 504
    assert answer.json()["type"] == "/problems/deadline-exceeded"
    server.wait_for_log("slow: cancelled")


def test_too_many_at_once(server: ServerProcess) -> None:
    with (
        (client := httpx2.Client(base_url=server.url, timeout=PATIENCE)),
        client.stream("GET", "/endless"),
        client.stream("GET", "/endless"),
    ):
        rejected = client.get("/scope")
        assert rejected.status_code == 503
        assert rejected.headers["Retry-After"] == "1"
        assert server.status("/livez") == 200
        assert server.status("/readyz") == 200
    server.wait_until(lambda: server.status("/scope") == 200, "to have room again")


def test_forwarded_headers_are_read_from_the_right(server: ServerProcess) -> None:
    headers = {"X-Forwarded-For": "6.6.6.6, 8.8.8.8, 10.1.2.3", "X-Forwarded-Proto": "https"}
    seen = httpx2.get(server.url + "/scope", headers=headers, timeout=PATIENCE).json()
    assert (seen["client"], seen["scheme"]) == ("8.8.8.8", "https")
