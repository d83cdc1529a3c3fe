"""The phases of a connection after the head of its first request: pipeline, trailers, upgrade, unread responses."""

import socket
import time

import pytest

from chassis.testing import ServerProcess
from tests.server.conftest import Certificates, Serve, served
from tests.server.raw import (
    LAST,
    SMALL,
    UPGRADE,
    all_slots_are_free,
    connected,
    exchange,
    memory,
    opened,
    received,
    status,
)

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b"GET /slow?seconds=0.5 HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
TIMEOUT = 3.0  # Seconds: long before the defaults of uvicorn and of our settings.


pytestmark = pytest.mark.usefixtures("orderly")


@pytest.fixture(scope="module")
def server(serve: Serve) -> ServerProcess:
    return serve(SMALL)


def test_a_pipeline_is_answered_in_order(server: ServerProcess) -> None:
    answers = exchange(server, SLOW + GET * 50 + LAST)

    assert answers.count(b"HTTP/1.1 200 OK") == 52
    assert answers.index(b'"slow"') < answers.index(b'"ok"')


def test_a_pipeline_has_an_end(server: ServerProcess) -> None:
    before = memory(server)

    answers = exchange(server, SLOW + GET * 1_000, *([GET * 2_000] * 10))

    assert 1 <= answers.count(b"HTTP/1.1 200 OK") <= 101
    assert memory(server) - before < 20


def test_a_slow_pipeline_is_not_a_slow_head(server: ServerProcess) -> None:
    """While earlier requests are active, nothing more is read, and a part of a head has its time later."""
    with connected(server) as connection:
        connection.sendall(SLOW * 3 + LAST[:20])
        time.sleep(1.4)
        connection.sendall(LAST[20:])

        assert received(connection).count(b"HTTP/1.1 200 OK") == 4


def test_a_lost_pipeline_frees_its_slot(server: ServerProcess) -> None:
    """Uvicorn tells only the last request of a pipeline that the client has gone."""
    for _ in range(6):
        with connected(server) as connection:
            connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
            connection.recv(100)


@pytest.mark.parametrize("part", [b"X: y\r\n", b"x"], ids=["many", "one without end"])
def test_large_trailers(server: ServerProcess, part: bytes) -> None:
    before = memory(server)

    answer = exchange(server, CHUNKED + b"2\r\nok\r\n0\r\n", *([part * (300_000 // len(part))] * 10))

    assert not answer or status(answer) == 431
    assert memory(server) - before < 20


def test_a_large_chunk_extension(server: ServerProcess) -> None:
    answer = exchange(server, CHUNKED + b"2;x=", *[b"y" * 300_000] * 10)

    assert not answer or status(answer) == 431


def test_trailers_are_no_headers(server: ServerProcess) -> None:
    trailers = b"X-Request-ID: from-a-trailer\r\nIdempotency-Key: 7\r\n"
    with connected(server) as connection:
        connection.sendall(CHUNKED)
        time.sleep(0.1)
        connection.sendall(b"2\r\nok\r\n0\r\n" + trailers + b"\r\n" + LAST)
        answers = received(connection)

    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert b"from-a-trailer" not in answers


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (UPGRADE + b"Content-Length: 5\r\n\r\nhello", 400),
        (UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (UPGRADE + b"X: " + b"x" * 9_000 + b"\r\n\r\n", 431),
        (UPGRADE.replace(b"GET", b"POST") + b"\r\n", 400),
        (UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n", 400),
        (UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"x") + b"\r\n", 400),
        (UPGRADE.replace(b"/socket", b"/none") + b"\r\n", 403),
    ],
    ids=["a body", "chunks", "a long header", "POST", "HTTP/1.0", "a wrong key", "no such route"],
)
def test_an_upgrade_that_cannot_be_served(server: ServerProcess, request_: bytes, expected: int) -> None:
    started = time.monotonic()

    answer = exchange(server, request_)

    assert time.monotonic() - started < TIMEOUT
    assert status(answer) == expected


@pytest.mark.parametrize("earlier", [SLOW, SLOW + GET * 3], ids=["active", "queued"])
def test_an_upgrade_after_unfinished_requests(server: ServerProcess, earlier: bytes) -> None:
    answer = exchange(server, earlier + UPGRADE + b"\r\n")

    assert answer.count(b"HTTP/1.1 200 OK") == earlier.count(b"GET")
    assert b"101" not in answer


def test_an_upgrade_after_responses_that_nobody_reads(server: ServerProcess) -> None:
    clients = opened(server, 6)
    for client in clients:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + UPGRADE + b"\r\n")
    time.sleep(0.5)
    for client in clients:
        client.close()


def test_responses_that_nobody_reads(server: ServerProcess) -> None:
    clients = opened(server, 5)
    for client in clients:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 20)

    server.wait_until(lambda: all_slots_are_free(server), "to close the connections")
    for client in clients:
        client.close()


@pytest.mark.parametrize("path", [b"/livez", b"/slow?seconds=0.5"])
def test_a_half_closed_client_gets_its_response(server: ServerProcess, path: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        connection.shutdown(socket.SHUT_WR)

        assert received(connection).count(b"HTTP/1.1 200 OK") == 2


def test_a_half_closed_client_with_half_a_body_gets_none(server: ServerProcess) -> None:
    with connected(server) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
        connection.shutdown(socket.SHUT_WR)

        assert b" 200 " not in received(connection)


def test_one_connection_too_many_takes_the_place_of_one_that_waits(server: ServerProcess) -> None:
    clients = opened(server, 20)
    for client in clients:
        client.sendall(GET)
        client.recv(1000)
        time.sleep(0.01)  # The times of the event loop are milliseconds.

    with connected(server) as one_too_many:
        one_too_many.sendall(LAST)
        assert status(received(one_too_many)) == 200
    received(clients[0])  # It ends.
    for client in clients:
        client.close()
    server.wait_for_log("too many connections")


def test_one_connection_too_many_has_no_place_among_active_ones(serve: Serve) -> None:
    server = serve({"APP_SERVER__MAX_CONNECTIONS": "3"})
    clients = opened(server, 3)
    for client in clients:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(100)

    with connected(server) as one_too_many:
        assert status(received(one_too_many)) == 503
    for client in clients:
        client.close()
    server.wait_until(lambda: server.status("/livez") == 200, "to have room again")


def test_silent_tls_handshakes(certificates: Certificates) -> None:
    limits = {"APP_SERVER__HEAD_TIMEOUT": "1", "APP_SERVER__MAX_CONNECTIONS": "5"}
    with served(certificates.settings() | limits) as server:
        started = time.monotonic()
        clients = opened(server, 1)
        time.sleep(0.1)
        clients += opened(server, 5)

        assert ended(clients[0])
        assert time.monotonic() - started < 1
        assert server.answers()
        assert [ended(client) for client in clients[1:]] == [True] * 5
        assert time.monotonic() - started < TIMEOUT
        for client in clients:
            client.close()


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
