"""A problem document as the bytes of an HTTP/1.1 response, for errors before there is an ASGI request."""

from http import HTTPStatus

import orjson


def raw_problem(status: HTTPStatus) -> bytes:
    slug = status.phrase.lower().replace(" ", "-")
    body = orjson.dumps({"type": f"/problems/{slug}", "title": status.phrase, "status": status})
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\n"
        "content-type: application/problem+json\r\n"
        "connection: close\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
