"""gunicorn's lines in the form of all others."""

from typing import Any, override

from gunicorn import glogging


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn ships no types.
    @override
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        # Stock writes its own format to its own stream.
        self.error_log.handlers.clear()
        self.error_log.propagate = True
