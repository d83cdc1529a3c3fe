"""Problem documents for errors before there is an application's response, and the bytes of one for HTTP/1.1."""

from http import HTTPStatus

import orjson

CONTENT_TYPE = "application/problem+json"


def problem_document(status: HTTPStatus) -> bytes:
    slug = status.phrase.lower().replace(" ", "-")
    return orjson.dumps({"type": f"/problems/{slug}", "title": status.phrase, "status": status})


def raw_problem(status: HTTPStatus) -> bytes:
    body = problem_document(status)
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\n"
        f"content-type: {CONTENT_TYPE}\r\n"
        "connection: close\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
