"""The last refusals, for the console: what a person wants to know first when frames do not come through."""

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from handlers.context import RequestRecord
from handlers.errors import UnknownStreamError
from handlers.server.middleware.logs import MAX_LOGGED_PATH
from handlers.server.middleware.problems import HUNG_UP
from handlers.streams.live_view import LiveStreams

MAX_REFUSALS = 20
HUNG_UP_DETAIL = "The client hung up before the frame was answered."


@dataclass(frozen=True, slots=True)
class Refusal:
    """What refusals that count as one have in common. `path`, `stream`: empty if not known."""

    status: int
    problem: str
    detail: str
    path: str
    stream: str


class Refusals:
    """The last refusals of the `operations` that take frames, and of paths that are not served.

    It also counts the refused frames of `streams`: those of callers who may send frames, and those that were refused
    for lack of capacity before anybody looked at their credential. On the event loop only; each takes the same short
    time.
    """

    def __init__(self, operations: Collection[str], streams: LiveStreams) -> None:
        self._operations, self._streams = operations, streams
        self._counts: dict[Refusal, tuple[int, datetime]] = {}
        """The one that was refused last is at the end."""

    def count(self, record: RequestRecord, path: str | None) -> None:
        """Count one finished request, if it was refused."""
        if not record.problem or (record.operation and record.operation not in self._operations):
            return
        detail = HUNG_UP_DETAIL if record.problem == HUNG_UP else record.detail
        shown_path = (path or "")[:MAX_LOGGED_PATH]
        refusal = Refusal(
            record.status or HTTPStatus.BAD_REQUEST, record.problem, detail or record.problem, shown_path, record.stream
        )
        count, _ = self._counts.pop(refusal, (0, None))
        self._counts[refusal] = count + 1, datetime.now(UTC)
        if len(self._counts) > MAX_REFUSALS:
            self._drop_one()
        if record.stream and record.may_send_frames:
            with suppress(UnknownStreamError):  # one of which no frame was answered yet
                self._streams.find(record.stream, even_silent=True).refused += 1

    def _drop_one(self) -> None:
        """Drop the oldest of the problem that has the most: made-up paths and names drive out nothing else."""
        [(most, _)] = Counter(refusal.problem for refusal in self._counts).most_common(1)
        del self._counts[next(refusal for refusal in self._counts if refusal.problem == most)]

    def as_records(self) -> list[dict[str, Any]]:
        """Return the contract's schema `Refusal` for each, the newest first."""
        return [_record(refusal, *self._counts[refusal]) for refusal in reversed(self._counts)]


def _record(refusal: Refusal, count: int, last_at: datetime) -> dict[str, Any]:
    return {
        "lastAt": last_at.isoformat(timespec="milliseconds"),
        "count": count,
        "status": refusal.status,
        "problem": refusal.problem,
        "detail": refusal.detail,
        **({"path": refusal.path} if refusal.path else {}),
        **({"stream": refusal.stream} if refusal.stream else {}),
    }
