"""WebSockets: each counts as a request, and what its client sends or does not read is limited."""

import pytest

from chassis.testing import ServerProcess
from tests.server.conftest import Serve
from tests.server.raw import LAST, SMALL, UPGRADE, connected, exchange, frame, memory, opened, received, status

pytestmark = pytest.mark.usefixtures("orderly")


@pytest.fixture(scope="module")
def server(serve: Serve) -> ServerProcess:
    return serve(SMALL)


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
