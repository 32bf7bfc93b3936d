"""Load shedding: frames that admission would refuse are refused as soon as their head has been read (ADR 8).

Under overload this is how nine of ten requests end, and each refusal takes CPU time from the frames that are served.
"""

import time
from collections.abc import Mapping, Sequence

from handlers.context import RequestRecord
from handlers.dataplane import DataPlane
from handlers.parsing.queries import stream_of
from handlers.parsing.request_names import RequestNames, names_in
from handlers.server.access.callers import caller_of
from handlers.server.middleware.logs import Report, new_record
from handlers.server.middleware.problems import HANG_UP_ERRORS, refuse
from models.errors import ModelNotFoundError, UnavailableError

NEVER_SHED = {b"transfer-encoding", b"expect", b"upgrade", b"origin"}
"""Requests with these headers go the whole way: their connection may have to be closed after the answer, or they are of
a page, which may be refused for its origin or need CORS headers to read the answer."""

FORWARDED = {b"forwarded", b"x-forwarded-for"}
"""Requests with these headers may come from a proxy: they are refused here only if a new caller would be, too."""


class LoadShedder:
    """Answers only where nothing but 503 can be the answer; every other request takes the usual way.

    `operations`: those that post a frame to the default model, path → operationId.
    """

    def __init__(
        self,
        dataplane: DataPlane,
        operations: Mapping[str, str],
        max_body_bytes: int,
        report: Report,
    ) -> None:
        self._dataplane = dataplane
        self._operations = {path.encode(): name for path, name in operations.items()}
        self._max_body_bytes = max_body_bytes
        self._report = report

    def refusal(
        self, target: bytes, headers: Sequence[tuple[bytes, bytes]], client: tuple[str, int] | None
    ) -> bytes | None:
        """Return header fields and body of a 503; None to let a request in.

        `target`: of a POST, as sent. `headers`: by lower-case name.
        """
        path, _, query = target.partition(b"?")
        operation = self._operations.get(path)
        if operation is None or not self._has_plain_body(headers):
            return None
        started_at = time.perf_counter()
        stream = stream_of(query)
        caller = "" if any(name in FORWARDED for name, _ in headers) else caller_of(client)
        try:
            self._dataplane.refuse_if_unavailable(None, stream, caller)
        except (*HANG_UP_ERRORS, ModelNotFoundError):  # of a model that the settings of a stream name
            return None
        except UnavailableError as error:
            names = names_in(headers)
            record = new_record(
                names, operation=operation, stream=stream, caller=caller_of(client), started_at=started_at
            )
            answer = _answer(error, names, record, path.decode())
            record.duration_ms = round((time.perf_counter() - started_at) * 1000, 3)
            self._report(record, "POST", path.decode())
            return answer
        return None

    def _has_plain_body(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        lengths = [value for name, value in headers if name == b"content-length"]
        return (
            len(lengths) == 1
            and int(lengths[0]) <= self._max_body_bytes
            and not any(name in NEVER_SHED for name, _ in headers)
        )


def _answer(error: UnavailableError, names: RequestNames, record: RequestRecord, path: str) -> bytes:
    refusal = refuse(error, record, path)
    record.status = refusal.status
    body = refusal.text.encode()
    fields = {"content-type": refusal.media_type, "content-length": len(body), "retry-after": error.retry_after_s}
    if names.header:
        fields[names.header] = names.request_id
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n" + body
