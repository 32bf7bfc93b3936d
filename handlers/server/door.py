"""The door: frames that admission would refuse are turned away before anything else is done for them.

Under overload nine of ten requests end so, and what each costs is taken from the frames that are served. ADR 8.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from handlers.context import RequestRecord
from handlers.server.admission import stream_of
from handlers.server.logs import REQUEST_ID_HEADER, caller_id, log_request
from handlers.server.problems import HANG_UP_ERRORS, MEDIA_TYPE, document, find_problem
from models.errors import UnavailableError
from models.runtime.engine import Engine

LONG_WAY = {b"transfer-encoding", b"expect"}
"""Bodies that are announced like this may need the connection closed."""


class Door:
    """Answers only where nothing but 503 can be the answer; whoever is not certain takes the long way in."""

    def __init__(
        self,
        engine: Engine,
        operations: Mapping[str, str],
        max_body_bytes: int,
        count: Callable[[RequestRecord], None],
    ) -> None:
        """Take the operations that frames are posted to, path → operationId; only those without parameters count."""
        self._engine = engine
        self._operations = {path.encode(): name for path, name in operations.items() if "{" not in path}
        self._max_body_bytes = max_body_bytes
        self._count = count

    def refusal(
        self, target: bytes, headers: Sequence[tuple[bytes, bytes]], client: tuple[str, int] | None
    ) -> bytes | None:
        """Return what to send, head and body without the status line; None to let the request in."""
        path, _, query = target.partition(b"?")
        operation = self._operations.get(path)
        if operation is None or not self._has_plain_body(headers):
            return None
        started_at = time.perf_counter()
        stream = stream_of(query, client)
        try:
            self._engine.refuse_if_unavailable(stream)
        except UnavailableError as error:
            if isinstance(error, HANG_UP_ERRORS):
                return None
            asked_id = caller_id(headers)
            record = RequestRecord(asked_id or str(uuid.uuid4()), operation, 503, stream=stream)
            answer = _answer(error, asked_id, record)
            record.duration_ms = round((time.perf_counter() - started_at) * 1000, 3)
            self._count(record)
            log_request(record, "POST", path.decode())
            return answer
        return None

    def _has_plain_body(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        lengths = [value for name, value in headers if name == b"content-length"]
        return (
            len(lengths) == 1
            and int(lengths[0]) <= self._max_body_bytes
            and not any(name in LONG_WAY for name, _ in headers)
        )


def _answer(error: UnavailableError, asked_id: str | None, record: RequestRecord) -> bytes:
    problem = find_problem(error)
    record.problem, record.detail, record.shed = problem.slug, str(error), error.reason
    body = document(problem, str(error)).encode()
    head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nretry-after: {error.retry_after_s}\r\n"
    if asked_id:
        head += f"{REQUEST_ID_HEADER}: {asked_id}\r\n"
    return head.encode() + b"\r\n" + body
