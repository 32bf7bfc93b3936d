"""FFmpeg's errors as the player's. Their own messages show addresses with passwords, so they are never passed on."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import av

from player.errors import SourceError, SourceRefusedError, UnsupportedMediaError
from player.media.address import Address

DAMAGES = (av.FFmpegError, OSError, ValueError, LookupError, ArithmeticError, RuntimeError)
"""What PyAV raises for sources that contradict themselves: it has no base for its own errors."""
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (av.error.HTTPUnauthorizedError, 401),
    (av.error.HTTPForbiddenError, 403),
    (av.error.HTTPNotFoundError, 404),
    (av.error.HTTPTooManyRequestsError, 429),
    (av.error.HTTPClientError, 400),
    (av.error.HTTPServerError, 500),
)
"""FFmpeg's error → the status that it stands for; the last two stand for any other of their hundred."""
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (av.error.ConnectionRefusedError, "refuses connections"),
    (av.error.ConnectionResetError, "closed the connection"),
    (av.error.BrokenPipeError, "closed the connection"),
    (av.error.EOFError, "ended its answer too early"),
    (av.error.FileNotFoundError, "does not exist"),
    (av.error.PermissionError, "may not be read"),
    (av.error.MemoryError, "sends more than memory holds"),
)


@contextmanager
def translated(address: Address, late: str, limit_s: float = math.inf) -> Iterator[None]:
    """Raise SourceError for what PyAV raises. `late`: what to say if the time was up, such as "did not answer".

    `limit_s`: when it is up, whatever FFmpeg says: for RTSP, it says that the data is damaged.
    """
    began_s = time.monotonic()
    try:
        yield
    except SourceError:
        raise
    except DAMAGES as error:
        is_late = time.monotonic() - began_s >= limit_s
        failure = SourceError(f"{address} {late}.") if is_late else _translated(error, address, late)
        try:
            raise failure from None
        finally:
            failure.__context__ = None  # some loggers would show it, and with it the password


def _translated(error: Exception, address: Address, late: str) -> SourceError:
    for kind, status in STATUSES:
        if isinstance(error, kind):
            reason = {401: "it wants another user name or password", 404: "no such stream"}.get(status, "it refuses")
            return SourceRefusedError(f"{address} answered with status {status}: {reason}.", status)
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return SourceError(f"{address} {late}.")
    for kind, words in REASONS:
        if isinstance(error, kind):
            return SourceError(f"{address} {words}.")
    if isinstance(error, ValueError):  # InvalidDataError
        return UnsupportedMediaError(f"{address} sends no video that can be read, or a damaged one.")
    return SourceError(f"{address} cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}.")
