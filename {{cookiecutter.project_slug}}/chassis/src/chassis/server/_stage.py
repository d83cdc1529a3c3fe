"""The stage of a worker. The worker passes it to the master as the size of the heartbeat file, which both have open."""

import enum


class Stage(enum.IntEnum):
    BOOTING = 0
    SERVING = 1
    MAX_REQUESTS_REACHED = 2
    """The worker still serves. The master starts its replacement."""
