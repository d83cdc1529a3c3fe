import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chassis import healthcheck
from chassis.testing import free_port
from tests.server.conftest import Certificates, Serve

pytestmark = pytest.mark.usefixtures("unmeasured")


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(healthcheck, "SECRETS", tmp_path)
    monkeypatch.setattr(healthcheck, "TIMEOUT", 2)
    return tmp_path


@contextmanager
def listening(family: socket.AddressFamily, address: tuple[str, int] | str, answer: bytes) -> Iterator[socket.socket]:
    """Answer one request with these bytes, or never if there are none."""
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()
        thread = threading.Thread(target=_answer, args=(listener, answer))
        thread.start()
        yield listener
        thread.join()


def _answer(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(answer)
        connection.recv(4096)  # Until the other side closes.


def test_a_server_that_answers_is_healthy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("app_server__bind", f"0.0.0.0:{serve().port}")
    assert healthcheck.main() == 0


@pytest.mark.parametrize("client_certs", ["none", "optional", "required"])
def test_a_server_with_tls_is_healthy(
    serve: Serve, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, client_certs: str
) -> None:
    settings = certificates.settings(ca_certs=str(certificates.ca_file), client_certs=client_certs)
    monkeypatch.setenv("APP_SERVER__BIND", f"127.0.0.1:{serve(settings).port}")
    assert healthcheck.main() == 1, "HTTP where TLS is spoken"
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert healthcheck.main() == 0


def test_it_follows_the_server_to_a_socket(secrets: Path) -> None:
    path = str(secrets / "server.sock")
    (secrets / "app_server__bind").write_text(f"unix:{path}\n")
    with listening(socket.AF_UNIX, path, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
        assert healthcheck.main() == 0


def test_it_follows_the_server_to_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("APP_SERVER__BIND", f"[::]:{port}")
    with listening(socket.AF_INET6, ("::1", port), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
        assert healthcheck.main() == 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "/livez returned 500"),
        (b"", "TimeoutError"),
        (b"SSH-2.0\r\n", "BadStatusLine"),
    ],
)
def test_another_answer_or_none_is_not_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bytes, why: str
) -> None:
    port = free_port()
    monkeypatch.setenv("APP_SERVER__BIND", f"127.0.0.1:{port}")
    with listening(socket.AF_INET, ("127.0.0.1", port), answer):
        assert healthcheck.main() == 1
    assert why in capsys.readouterr().err


def test_where_nothing_listens_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("APP_SERVER__BIND", f"127.0.0.1:{free_port()}")
    assert healthcheck.main() == 1
    assert "Connection refused" in capsys.readouterr().err
    monkeypatch.setenv("APP_SERVER__BIND", "fd://3")
    assert healthcheck.main() == 1
