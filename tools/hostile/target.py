"""A running service seen from outside: its answers, and the memory of its process."""

import http.client
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tools.hostile.mutations import Hostile

PATH = "/inference"
TIMEOUT_S = 120
IDLE_S = 30
"""After this the service may be about to close an idle connection."""
RESET_PEAK = "5"
"""Written to clear_refs, this resets VmHWM: proc(5)."""
KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply over HTTP. Without one `status` is None, and `text` says why."""

    status: int | None
    media_type: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and what it cost. `peak_mib`: peak memory of the service since the last reset.

    `growth_mib`: how far this body alone raised the memory; 0 if it was not alone.
    """

    reply: Reply
    ms: float
    peak_mib: float
    growth_mib: float


class Target:
    """Posts to the service over one connection per thread, and reads the memory of its process."""

    def __init__(self, url: str, pid: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._process = Path("/proc") / str(pid)
        self._mine = threading.local()

    def post(self, hostile: Hostile, *, alone: bool = False) -> Answer:
        """Post one body and measure. `alone`: the service has nothing else to do meanwhile."""
        before_mib = self.memory_mib()
        if alone:
            self.reset_peak_memory()
        started_at = time.perf_counter()
        reply = self._reply(hostile)
        ms = (time.perf_counter() - started_at) * 1000
        peak_mib = self._memory_mib("VmHWM")
        return Answer(reply, ms, peak_mib, max(0, peak_mib - before_mib) if alone else 0)

    def _reply(self, hostile: Hostile) -> Reply:
        connection = self._connection()
        try:
            connection.request("POST", PATH, hostile.body, {"Content-Type": hostile.media_type})
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # the next request reopens it
            return Reply(None, "", repr(error))
        return Reply(response.status, response.headers.get("content-type", ""), text)

    def _connection(self) -> http.client.HTTPConnection:
        """Return this thread's connection, reopened if it has been idle."""
        if time.monotonic() - getattr(self._mine, "used_at", -math.inf) > IDLE_S:
            self._mine.connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        self._mine.used_at = time.monotonic()
        connection: http.client.HTTPConnection = self._mine.connection
        return connection

    def memory_mib(self) -> float:
        """Return the resident memory of the service; 0 if its process has ended."""
        return self._memory_mib("VmRSS")

    def reset_peak_memory(self) -> None:
        """Reset the peak to the resident memory now; if the kernel forbids that, it stays the peak of all time."""
        with suppress(OSError):
            (self._process / "clear_refs").write_text(RESET_PEAK)

    def _memory_mib(self, field: str) -> float:
        with suppress(OSError):
            for line in (self._process / "status").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    return int(line.split()[1]) / KIB_PER_MIB
        return 0
