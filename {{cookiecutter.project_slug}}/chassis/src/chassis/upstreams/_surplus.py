"""Bytes that an upstream sends after its response: the next call on that connection would take them for its own.

Private API: a response's connection in httpx2 and httpcore2, its h11 state, the buffers of anyio's streams.
Why: httpcore2 2.16 looks for such bytes only in the socket, and has often read them already.
Checked by: tests/upstreams/test_surplus.py, which also fails when httpcore2 does without this file.

An upstream that confuses its clients' requests sends a second response. Others send a body with a 204 or for a HEAD.
"""

from typing import Any

from anyio.streams.tls import TLSStream
from h11 import DONE
from httpcore2 import AsyncHTTP11Connection
from httpx2 import Response


def close_if_surplus(response: Response) -> bool:
    """Have the connection closed with its response if it has more bytes. Call it after the end of the body."""
    connection: Any = response.stream
    for name in ("_stream", "_httpcore_stream", "_stream", "_connection"):
        connection = getattr(connection, name, None)
    if not isinstance(connection, AsyncHTTP11Connection):
        return False  # Another transport, in a test.
    state = connection._h11_state  # noqa: SLF001 - Described above, as are those below.
    reusable = state.our_state is DONE and state.their_state is DONE
    if not reusable or not (state.trailing_data[0] or _buffered(connection._network_stream)):  # noqa: SLF001
        return False
    state.send_failed()  # The only way to tell h11 that there is no next cycle. httpcore2 then closes the connection.
    return True


def _buffered(network_stream: Any) -> bool:
    stream = network_stream._stream  # noqa: SLF001
    while isinstance(stream, TLSStream):
        if stream._read_bio.pending or stream._ssl_object.pending():  # noqa: SLF001
            return True
        stream = stream.transport_stream
    return bool(stream._protocol.read_queue)  # noqa: SLF001
