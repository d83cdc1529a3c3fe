"""Where the heads of requests begin and end in the bytes of an HTTP/2 connection. The parser `zttp` does not say."""

_PREFACE = 24  # Bytes before the first frame.
_FRAME_HEADER = 9
_HEADERS, _CONTINUATION = 0x1, 0x9
_END_HEADERS = 0x4


class Heads:
    """Follows the frames: RFC 9113, 4.1 and 6.10."""

    def __init__(self) -> None:
        self.ended = 0
        self._rest = b""  # The beginning of a frame's header.
        self._skip = _PREFACE  # Bytes of a frame that are still to come.
        self._open = self._ends = False

    def feed(self, data: bytes) -> bool:
        """Follow these bytes. Returns whether a head has begun and not ended."""
        data = self._rest + data
        at = self._skip
        while at <= len(data):
            self._end_frame()
            if at + _FRAME_HEADER > len(data):
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind in {_HEADERS, _CONTINUATION}:
                self._open, self._ends = True, bool(flags & _END_HEADERS)
            at += _FRAME_HEADER + int.from_bytes(data[at : at + 3])
        self._rest = data[at:]
        self._skip = max(0, at - len(data))
        return self._open

    def _end_frame(self) -> None:
        if self._ends:
            self.ended += 1
            self._open = self._ends = False
