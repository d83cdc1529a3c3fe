"""gunicorn's log lines in the format of all others.

Private API: `Logger` overrides `setup` of gunicorn's logger, and removes the handlers of its `error_log`.
Why: gunicorn has a setting for the logger's class, and none to leave its handlers out.
Checked by: tests/server/test_library_api.py (names) and tests/server/test_tls.py (the line of a rejected reload).
"""

from typing import Any, override

from gunicorn import glogging


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn ships no types.
    @override
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        # gunicorn's own handler writes another format, to another stream.
        self.error_log.handlers.clear()
        self.error_log.propagate = True
