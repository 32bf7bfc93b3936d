"""One JSON object a line, one line a request."""

import json
import logging
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar, TextIO, TypeAlias

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.context import WELL_FORMED_NAME, RequestRecord

REQUEST_ID_HEADER = "x-ms-client-request-id"
REQUEST_ID_BYTES = REQUEST_ID_HEADER.encode()
MAX_LOGGED_PATH = 200

Report: TypeAlias = Callable[[RequestRecord, str | None, str | None], None]
"""Hears of each request that is over: its record, its method and its path."""

logger = logging.getLogger("framehook")

_ENCODER = json.JSONEncoder(default=str)  # json.dumps would make one a line


class JsonFormatter(logging.Formatter):
    """One JSON object a line; control characters and everything outside ASCII are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: time (UTC), level, logger, message, and the record's facts."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        return _ENCODER.encode(line)


class LossyHandler(logging.StreamHandler[TextIO]):
    """Counts the lines that cannot be written, as when the disk is full, instead of complaining where nobody hears."""

    lost_lines: ClassVar[int] = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Give this line up; what is no fault of the disk is a mistake of ours, and is told as such."""
        if isinstance(sys.exception(), OSError):
            LossyHandler.lost_lines += 1
        else:
            super().handleError(record)


def configure(level: str) -> None:
    """Send every log line of the process, uvicorn's and warnings included, to standard error as JSON."""
    handler = LossyHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


class RequestLogMiddleware:
    """Gives each request a record, echoes the caller's request id, and logs one line when it is over."""

    def __init__(self, next_app: ASGIApp, report: Report) -> None:
        """Stand outermost, so that nothing escapes the log; `report` hears of each request when it is over."""
        self._next_app = next_app
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._next_app(scope, receive, send)
            return
        started_at = time.perf_counter()
        asked_id = caller_id(scope["headers"])
        record = RequestRecord(asked_id or str(uuid.uuid4()))
        scope.setdefault("state", {})["record"] = record
        routing = scope.setdefault("extensions", {}).setdefault(ROUTING_CONTEXT, {})

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                if asked_id:
                    MutableHeaders(scope=message)[REQUEST_ID_HEADER] = asked_id
            await send(message)

        try:
            await self._next_app(scope, receive, send_noted)
        finally:
            record.operation = routing.get("operation_id")
            record.duration_ms = round((time.perf_counter() - started_at) * 1000, 3)
            self._report(record, scope["method"], scope["path"])


def report_request(
    record: RequestRecord, method: str | None, path: str | None, count: Callable[[RequestRecord], None]
) -> None:
    """Count a request that is over, and log its one line; what could not be read of it is None."""
    count(record)
    facts = {
        "requestId": record.request_id,
        "method": method,
        "path": path and path[:MAX_LOGGED_PATH],
        "operation": record.operation,
        "status": record.status,
        "durationMs": record.duration_ms,
        **_known_facts(record),
    }
    logger.log(_level(record.status), "request", extra={"facts": facts})


def _known_facts(record: RequestRecord) -> dict[str, Any]:
    facts = {
        "stagesMs": record.stages_ms,
        "model": record.model,
        "stream": record.stream or None,
        "format": record.frame_format,
        "bodyBytes": record.body_bytes,
        "detections": record.detections,
        "dropped": record.dropped,
        "problem": record.problem,
        "shed": record.shed,
        "detail": record.detail,
        "traceback": record.traceback,
        "credential": record.credential,
        "peer": record.peer,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _level(status: int | None) -> int:
    """Return how serious an answer is: a refusal for lack of room is a warning, a failure of our own an error."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return logging.WARNING
    return logging.ERROR if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO


def caller_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the caller's request id when it is well formed."""
    asked_id = next((value for name, value in headers if name == REQUEST_ID_BYTES), b"").decode("latin-1")
    return asked_id if WELL_FORMED_NAME.fullmatch(asked_id) else None
