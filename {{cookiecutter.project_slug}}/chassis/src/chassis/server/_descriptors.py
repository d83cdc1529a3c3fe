"""The listening socket of a worker: its descriptors, and how long its connections may wait for a client that reads."""

import socket

ACCEPTS = 8
"""Connections that a worker can accept in one turn of the event loop. Where each request has its own connection, a busy
worker serves 0.6 times as many requests with 1, and 1.03 times as many with 16 (docs/decisions/the-server.md of the
template has the figures)."""


def descriptors(listener: socket.socket, write_timeout: int) -> list[socket.socket]:
    """Return them. The kernel closes a connection whose client reads nothing for `write_timeout` seconds."""
    if listener.family in {socket.AF_INET, socket.AF_INET6} and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it.
        # Accepted sockets inherit it. The kernel knows what the client has read, at no cost for each request.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, write_timeout * 1000)
    return [listener, *(listener.dup() for _ in range(ACCEPTS - 1))]
