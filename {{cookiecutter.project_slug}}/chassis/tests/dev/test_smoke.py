"""`make smoke`, on servers that work and servers that do not."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chassis.dev import smoke

type Answers = dict[str, tuple[int, str, str]]

PROBLEM = (404, "application/problem+json", "{}")
DOCUMENT = (
    '{"paths": {"/v1/orders": {"get": {}, "post": {}}, "/v1/orders/{id}": {"get": {}}, "/v1/jobs": {"post": {}}}}'
)
WORKING: Answers = {
    "/livez": (200, "application/json", "{}"),
    "/readyz": (200, "application/json", "{}"),
    "/openapi.json": (200, "application/json", DOCUMENT),
    "/v1/orders": (200, "application/json", "{}"),
}


class Server(ThreadingHTTPServer):
    """Serves these answers and no others, and notes what was asked."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, kind, body = self.server.answers.get(self.path, PROBLEM)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Location", "/livez")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Keep still."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answers], list[str]]]:
    monkeypatch.setattr(smoke, "SECONDS", 0.0)
    servers = []

    def start(answers: Answers) -> list[str]:
        server = Server(answers)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setenv("url", f"http://127.0.0.1:{server.server_port}/")
        return server.asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_service_that_works(serve: Callable[[Answers], list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    asked = serve(WORKING)
    assert smoke.main() == 0
    assert asked == ["/livez", "/readyz", smoke.NOT_THERE, "/openapi.json", "/v1/orders"]
    assert "works: /livez, /readyz, 404, /v1/orders 200" in capsys.readouterr().out


def test_a_service_that_hides_its_document(serve: Callable[[Answers], list[str]]) -> None:
    asked = serve({path: answer for path, answer in WORKING.items() if path != "/openapi.json"})
    assert smoke.main() == 0
    assert "/v1/orders" not in asked


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/livez", (500, "application/json", ""), "/livez: 500 application/json, and not 200"),
        ("/readyz", (503, "application/problem+json", ""), "/readyz: 503"),
        ("/readyz", (200, "text/html", ""), "/readyz: 200 text/html"),
        ("/readyz", (302, "text/html", ""), "/readyz: 302"),
        (smoke.NOT_THERE, (404, "text/html", ""), "404 text/html, and not 404 application/problem+json"),
        ("/v1/orders", (500, "application/problem+json", ""), "/v1/orders: 500"),
        ("/v1/orders", (307, "text/html", ""), "/v1/orders: 307"),
    ],
)
def test_what_does_not_work_is_named(
    serve: Callable[[Answers], list[str]],
    capsys: pytest.CaptureFixture[str],
    path: str,
    answer: tuple[int, str, str],
    said: str,
) -> None:
    serve(WORKING | {path: answer})
    assert smoke.main() == 1
    assert said in capsys.readouterr().err


def test_a_service_that_needs_a_login_works(serve: Callable[[Answers], list[str]]) -> None:
    serve(WORKING | {"/v1/orders": (401, "application/problem+json", "")})
    assert smoke.main() == 0


def test_it_waits_for_a_service_that_starts(
    serve: Callable[[Answers], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = WORKING | {"/readyz": (503, "application/problem+json", "")}
    serve(answers)
    monkeypatch.setattr(smoke, "SECONDS", 20.0)
    threading.Timer(0.2, answers.update, [WORKING]).start()
    assert smoke.main() == 0


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(smoke, "SECONDS", 0.0)
    monkeypatch.setenv("url", "http://127.0.0.1:1")
    assert smoke.main() == 1
    assert "Connection refused" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["", "localhost:8000", "file:///etc/passwd"])
def test_what_is_no_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("url", url)
    assert smoke.main() == 2
