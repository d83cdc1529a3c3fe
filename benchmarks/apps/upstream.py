"""Another service, which answers anything at once. `uvicorn upstream:app`."""

from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    headers = [(b"content-type", b"application/json"), (b"content-length", b"12")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"ok": true}'})
