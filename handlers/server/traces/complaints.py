"""What OpenTelemetry's SDK says goes into the log, but rarely, and without what was sent or configured."""

import logging
import time

LIBRARIES = ("opentelemetry", "urllib3")
"""OpenTelemetry, and what sends for it, which would log the collector's address and what the collector answers."""
SILENT_S = 60.0
"""Between two lines about the same part of the SDK."""


class Complaints(logging.Handler):
    """Passes on at most one warning a minute for each part of the SDK.

    Of an error, only its kind is said: its text has the collector's address. Of other texts, only the SDK's own words:
    they may repeat headers of the configuration, or of a caller.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger
        self._said_at: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Log what the SDK says, unless its part has said something in the last minute."""
        now = time.monotonic()
        if now - self._said_at.get(record.name, -SILENT_S) >= SILENT_S:
            self._said_at[record.name] = now
            self._logger.warning("trouble with traces", extra={"facts": {"reason": _reason(record)}})


def log_complaints(logger: logging.Logger) -> None:
    """Let the warnings of the SDK, and of what sends for it, go to `logger` alone, rarely."""
    complaints = Complaints(logger)
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.handlers = [complaints]
        library.propagate = False


def _reason(record: logging.LogRecord) -> str:
    """Return what is said, without texts from outside."""
    told = record.args if isinstance(record.args, tuple) else ()
    safe = tuple(_safe(each) for each in told)
    return str(record.msg) % safe if safe else str(record.msg)


def _safe(told: object) -> object:
    if isinstance(told, Exception):
        return type(told).__name__
    return told if isinstance(told, int | float) else "…"
