"""Faults of peers, as the events that report them."""

import re
import time

from player.errors import (
    ExtensionBusyError,
    ExtensionError,
    ExtensionRefusedError,
    SourceError,
    SourceRefusedError,
    UnsupportedMediaError,
)
from player.events import event as events
from player.events.event import Event, Place

UNREACHABLE, NO_ANSWER = "unreachable", "noAnswer"
SERVICE_UNAVAILABLE = 503
URL_END = re.compile(r"[?#].*")


def source_fault(place: Place, error: SourceError, source: str) -> Event:
    """Return the event for a source that cannot be read. `source`: its address, without a password."""
    now_s = time.time()
    if isinstance(error, SourceRefusedError):
        code, protocol = str(error.code), source.partition("://")[0] or "file"
        return events.protocol_error(place, now_s, code, (source, protocol), [(code, str(error))])
    if isinstance(error, UnsupportedMediaError):
        return events.media_format_error(place, now_s)
    return events.access_error(place, "NetworkError", now_s, UNREACHABLE)


def extension_fault(place: Place, error: ExtensionError, url: str) -> Event:
    """Return the event for an extension that gives no answer. `url`: its address, without a password.

    The event does not have what is behind the path: that may be a key.
    """
    now_s = time.time()
    if isinstance(error, ExtensionBusyError):
        code = str(SERVICE_UNAVAILABLE)
    elif isinstance(error, ExtensionRefusedError):
        code = str(error.status)
    else:
        return events.access_error(place, "NetworkError", now_s, NO_ANSWER)
    said = error.text if isinstance(error, ExtensionRefusedError) else str(error)
    return events.protocol_error(place, now_s, code, (URL_END.sub("", url), "http"), [(code, said)])
