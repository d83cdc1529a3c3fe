"""What a connection may do before there is a request, and what the application learns of its TLS.

uvicorn's default parser has no limit on a request's head, waits for it without end, and takes any number of Hosts.
"""

import asyncio
import ssl
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, override

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chassis.server._settings import ServerSettings

_UNIX = ("unix", 0)  # What `trusted_proxies` calls the peer of a Unix socket, which has no address.


class BadHead(Exception):
    """The parser turns it into its own error, and uvicorn that into `send_400_response`."""


class LimitedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds. `settings` is set on the class that `limited` makes."""

    settings: ServerSettings

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn does.
        super().connection_made(transport)
        self.client = self.client or _UNIX
        self.tls = tls_extension(transport)
        self.bad_head_status = HTTPStatus.BAD_REQUEST
        self.in_head = self.rejected = False
        self.head_size = self.chunk_size = self.first_chunk_size = 0
        self.head_timer: asyncio.TimerHandle | None = None
        self._start_head_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self.rejected:
            return
        self.chunk_size = len(data)
        if self.in_head:
            self.head_size += self.chunk_size
        super().data_received(data)
        if self.in_head:
            self._start_head_timer()
            if self.head_size > self.settings.max_head_size:
                self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif not self._has_active_request() and self.transport.get_protocol() is self:  # Else it is a WebSocket's now.
            self._start_head_timer()  # Or the rest of a body that nobody reads: uvicorn has just ended its own timer.

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        # The chunk it begins in may hold the end of another message, too.
        self.in_head, self.head_size, self.first_chunk_size = True, 0, self.chunk_size
        if self.tls:
            self.scope["extensions"] = {"tls": self.tls}

    @override
    def on_headers_complete(self) -> None:
        self.in_head = False
        self._stop_head_timer()
        if len(self.headers) > self.settings.max_headers or self._head_is_too_large():
            self.bad_head_status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise BadHead
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            raise BadHead  # RFC 9112, 3.2: two readers could take it for different hosts.
        super().on_headers_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        self._reject(self.bad_head_status)

    def _head_is_too_large(self) -> bool:
        if self.head_size + self.first_chunk_size <= self.settings.max_head_size:
            return False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > self.settings.max_head_size

    def _has_active_request(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _start_head_timer(self) -> None:
        if self.head_timer is None and not self.transport.is_closing():
            self.head_timer = self.loop.call_later(self.settings.head_timeout, self._on_head_timeout)

    def _stop_head_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _on_head_timeout(self) -> None:
        if self.in_head:
            self._reject(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _reject(self, status: HTTPStatus) -> None:
        self.rejected = True
        self._stop_head_timer()
        if self._has_active_request() and not self.cycle.more_body:
            self.cycle.keep_alive = False  # An earlier request: its answer goes first, and closes.
            return
        if self._has_active_request() and self.cycle.response_started:
            self.transport.close()
            return
        slug = status.phrase.lower().replace(" ", "-")
        body = orjson.dumps({"type": f"/problems/{slug}", "title": status.phrase, "status": status})
        head = b"content-type: application/problem+json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head % len(body) + body)
        self.transport.close()


class TLSWebSocketProtocol(WebSocketsSansIOProtocol):
    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.client = self.client or _UNIX
        self.app = with_tls(self.app, transport)


def with_tls(app: Any, transport: asyncio.BaseTransport) -> Any:
    """Wrap `app` for one connection whose protocol class makes its scopes in one piece."""
    if not (tls := tls_extension(transport)):
        return app

    async def app_with_tls(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        scope.setdefault("extensions", {})["tls"] = tls
        await app(scope, receive, send)

    return app_with_tls


def tls_extension(transport: asyncio.BaseTransport) -> dict[object, object] | None:
    """Tell of a verified client certificate as ASGI's TLS extension does: its subject, as RFC 4514 writes it."""
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate: dict[str, Any] | None = connection.getpeercert() if connection else None
    return {"client_cert_name": _rfc4514(certificate["subject"])} if certificate else None


_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "domainComponent": "DC",
    "userId": "UID",
}


def _rfc4514(subject: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """The last part of a subject comes first, and what means something is escaped."""
    names = ["+".join(f"{_SHORT.get(name, name)}={_escape(value)}" for name, value in part) for part in subject]
    return ",".join(reversed(names))


def _escape(value: str) -> str:
    escaped = "".join(f"\\{sign}" if sign in '\\,+"<>;=' else sign for sign in value).replace("\0", "\\00")
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    return escaped[:-1] + "\\ " if len(escaped) > 1 and escaped.endswith(" ") else escaped


def limited(settings: ServerSettings) -> type[LimitedProtocol]:
    """Make the class that uvicorn instantiates for each connection: it hands over no settings of ours."""
    return type("Protocol", (LimitedProtocol,), {"settings": settings})
