"""HTTP/2 connections with the limits of `chassis.connections`, and more for streams and windows.

Import it only if `APP_SERVER__HTTP2` is on: uvicorn's parser of HTTP/2, `zttp`, is an extra package.
"""

from chassis.http2._protocol import limited

__all__ = ["limited"]
