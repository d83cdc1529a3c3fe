"""Several descriptors of a listening socket, because libuv accepts one connection for each in a turn of its loop."""

import socket

ACCEPTS = 8
"""Connections that a worker can accept in one turn of the event loop. Where each request has its own connection, a busy
worker serves 0.6 times as many requests with 1, and 1.03 times as many with 16 (docs/decisions/the-server.md of the
template has the figures)."""


def descriptors(listener: socket.socket) -> list[socket.socket]:
    return [listener, *(listener.dup() for _ in range(ACCEPTS - 1))]
