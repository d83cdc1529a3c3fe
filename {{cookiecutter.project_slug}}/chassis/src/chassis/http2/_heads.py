"""When the head of a request began, by the frames of an HTTP/2 connection. The parser `zttp` does not tell."""

_PREFACE, _FRAME_HEADER = 24, 9  # Bytes before the first frame, and before the payload of each.
_HEADERS, _CONTINUATION = 0x1, 0x9
_END_HEADERS = 0x4


class Heads:
    """Follows the frames: RFC 9113, 4.1 and 6.10."""

    begun: float | None = None
    """When the head began that has not ended yet."""

    def __init__(self) -> None:
        self._rest = b""  # The beginning of a frame's header.
        self._skip = _PREFACE  # Bytes of a frame that are still to come.
        self._ends = False

    def feed(self, data: bytes, now: float) -> None:
        data = self._rest + data
        at = self._skip
        while at <= len(data):
            if self._ends:
                self.begun, self._ends = None, False
            if at + _FRAME_HEADER > len(data):
                break
            if data[at + 3] in {_HEADERS, _CONTINUATION}:
                self.begun, self._ends = self.begun or now, bool(data[at + 4] & _END_HEADERS)
            at += _FRAME_HEADER + int.from_bytes(data[at : at + 3])
        self._rest, self._skip = data[at:], max(0, at - len(data))
