"""The phases of a connection after the head of its first request: pipeline, trailers, upgrade, unread responses."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.testing import PATIENCE, ServerProcess
from tests.server.conftest import Certificates, Serve, served
from tests.server.raw import UPGRADE, connected, exchange, frame, received, status

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SLOW = b"GET /slow?seconds=0.5 HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
TIMEOUT = 3.0  # Seconds: long before the defaults of uvicorn and of our settings.


@pytest.fixture(scope="module")
def server(serve: Serve) -> ServerProcess:
    return serve(
        {
            "APP_SERVER__HEAD_TIMEOUT": "1",
            "APP_SERVER__DEADLINE": "2",
            "APP_SERVER__MAX_CONCURRENCY": "5",
            "APP_SERVER__MAX_CONNECTIONS": "20",
            "APP_SERVER__WRITE_TIMEOUT": "1",
            "APP_DATABASE__STATEMENT_TIMEOUT": "1",
        }
    )


@pytest.fixture(autouse=True)
def orderly(server: ServerProcess) -> Iterator[None]:
    """After each attack all slots are free, and nothing has failed inside the server."""
    yield
    server.wait_until(lambda: all_slots_are_free(server), "to have all slots free")
    assert "Traceback" not in server.log


def all_slots_are_free(server: ServerProcess) -> bool:
    clients = opened(server, 5)
    try:
        for client in clients:
            client.sendall(b"GET /slow?seconds=0.1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return {status(received(client)) for client in clients} == {200}
    finally:
        for client in clients:
            client.close()


def opened(server: ServerProcess, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(count)]


def memory(server: ServerProcess) -> float:
    [worker] = server.workers
    pages = int(Path(f"/proc/{worker}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


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


def test_websockets_count_as_requests(server: ServerProcess) -> None:
    clients = opened(server, 5)
    for client in clients:
        client.sendall(UPGRADE + b"\r\n")
        assert status(client.recv(1000)) == 101

    assert status(exchange(server, UPGRADE + b"\r\n")) == 503
    assert status(exchange(server, LAST.replace(b"/livez", b"/scope"))) == 503
    assert status(exchange(server, LAST)) == 200
    for client in clients:
        client.close()


def test_a_websocket_that_is_not_accepted_in_time(server: ServerProcess) -> None:
    answer = exchange(server, UPGRADE.replace(b"/socket", b"/slow-socket") + b"\r\n")

    assert status(answer) == 504


def test_a_websocket_logs_neither_query_nor_headers(serve: Serve) -> None:
    server = serve({"APP_LOG__LEVEL": "DEBUG"})
    secret = b"Authorization: SECRET\r\n\r\n"

    with connected(server) as connection:
        connection.sendall(UPGRADE.replace(b"/socket", b"/socket?token=SECRET") + secret)
        assert status(connection.recv(1000)) == 101
    exchange(server, UPGRADE.replace(b"/socket", b"/none?token=SECRET") + secret)

    server.wait_for_log('"method":"WEBSOCKET","route":"/socket","status":101')
    server.wait_for_log('"method":"WEBSOCKET","route":null,"status":403')
    assert "SECRET" not in server.log
    assert "127.0.0.1:" not in server.log.partition("startup complete")[2]


def test_pings_that_are_not_read(server: ServerProcess) -> None:
    before = memory(server)
    with connected(server) as connection:
        connection.sendall(UPGRADE + b"\r\n")
        connection.recv(1000)
        connection.sendall(frame(b"x" * 125, 9) * 300_000)

    assert memory(server) - before < 20


def test_a_message_of_many_fragments(server: ServerProcess) -> None:
    with connected(server) as connection:
        connection.sendall(UPGRADE + b"\r\n")
        connection.recv(1000)
        connection.sendall(frame(b"", 1, final=False) + frame(b"", 0, final=False) * 2_000)

        assert b"too many fragments" in received(connection)
