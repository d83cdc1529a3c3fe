"""An upstream sends more than its response: the next call on the connection must not take it for its own."""

import ssl
from pathlib import Path

import httpx2
import pytest
import trustme
from pydantic import HttpUrl, Secret
from structlog.testing import capture_logs

from chassis.upstreams._client import Upstream
from chassis.upstreams._settings import UpstreamSettings, UpstreamTLS
from chassis.upstreams._surplus import close_if_surplus
from tests.upstreams.raw_upstream import CHUNKED, OK, RawUpstream, good, saying
from tests.upstreams.upstreams import Outcome, opened

FALSE = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"ok": false}'


def padded(size: int) -> bytes:
    """Return a response of exactly `size` bytes."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %06d\r\n\r\n"
    return head % (size - len(head % 0)) + b'{"ok": true}'.ljust(size - len(head % 0))


SURPLUS = {
    "in the buffer of h11": OK + FALSE,
    "after the last chunk": CHUNKED + b'c\r\n{"ok": true}\r\n0\r\n\r\n' + FALSE,
    "in the buffer of anyio": padded(65_536) + FALSE,
    "partly in both": padded(65_536 - 20) + FALSE,
    "after several reads": padded(100_000) + FALSE,
}


@pytest.mark.parametrize("surplus", SURPLUS)
async def test_the_next_call_has_its_own_response(upstream: RawUpstream, surplus: str) -> None:
    upstream.scenarios = [saying(SURPLUS[surplus]), good]
    async with opened(upstream) as client:
        with capture_logs() as lines:
            outcomes = [await client.call("GET", "payments", Outcome) for _ in range(3)]
    assert outcomes == [Outcome(ok=True)] * 3
    assert (len(upstream.requests), upstream.connections) == (3, 2)
    assert all("sent bytes after its response" in line["event"] for line in lines)


@pytest.mark.parametrize(
    ("method", "first"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + FALSE),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n" + FALSE),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 12\r\n\r\n" + FALSE),
        ("POST", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + FALSE),
        ("POST", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + FALSE),
    ],
)
async def test_a_response_without_a_body(upstream: RawUpstream, method: str, first: bytes) -> None:
    upstream.scenarios = [saying(first), good]
    async with opened(upstream) as client:
        assert await client.send(method, "payments") == b""
        assert await client.call("POST", "payments", Outcome) == Outcome(ok=True)
    assert (len(upstream.requests), upstream.connections) == (2, 2)


async def test_over_tls_it_can_be_in_the_next_record(tmp_path: Path) -> None:
    authority, ca_certs = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_certs)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with RawUpstream.running(context) as upstream:
        upstream.scenarios = [saying(padded(16_384) + FALSE), good]
        async with opened(upstream, tls=UpstreamTLS(ca_certs=ca_certs)) as client:
            outcomes = [await client.call("GET", "payments", Outcome) for _ in range(3)]
        assert (outcomes, upstream.connections) == ([Outcome(ok=True)] * 3, 2)


async def test_through_a_proxy(upstream: RawUpstream) -> None:
    upstream.scenarios = [saying(OK + FALSE), good]
    proxy = Secret(HttpUrl(upstream.url))
    settings = UpstreamSettings(base_url=HttpUrl("http://payments.example/"), proxy=proxy)
    async with Upstream.open("fake", settings) as client:
        outcomes = [await client.call("GET", "payments", Outcome) for _ in range(3)]
    assert (outcomes, upstream.connections) == ([Outcome(ok=True)] * 3, 2)


async def test_a_connection_without_surplus_is_kept(upstream: RawUpstream) -> None:
    upstream.scenarios = [saying(padded(65_536)), saying(OK), saying(CHUNKED, b'c\r\n{"ok": true}\r\n0\r\n\r\n')]
    async with opened(upstream) as client:
        for _ in range(4):
            assert await client.call("GET", "payments", Outcome) == Outcome(ok=True)
    assert upstream.connections == 1


async def test_another_transport_has_no_surplus() -> None:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200))) as client:
        assert not close_if_surplus(await client.get("http://test/"))


async def test_the_library_needs_this(upstream: RawUpstream) -> None:
    upstream.scenarios = [saying(OK + FALSE), good]
    async with httpx2.AsyncClient() as client:
        responses = [await client.get(upstream.url) for _ in range(2)]
    assert responses[1].json() == {"ok": False}, "httpx2 has fixed this: remove _surplus.py"
