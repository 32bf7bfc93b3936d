"""The log: one JSON object per line, one line per request."""

import json
import logging
import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeAlias

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.context import RequestRecord
from handlers.parsing.request_names import RequestNames, names_in
from handlers.server.middleware.log_writer import LogHandler, LogWriter

MAX_LOGGED_PATH = 200

Report: TypeAlias = Callable[[RequestRecord, str | None, str | None], None]
"""Called with the record, the method and the path of each finished request."""

logger = logging.getLogger("framehook")

_ENCODER = json.JSONEncoder(default=str)  # json.dumps would make a new one for each line


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object on one line; control characters and non-ASCII are escaped."""

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


def configure(level: str) -> LogHandler:
    """Send every log line of the process, uvicorn's and warnings included, to standard error as JSON."""
    formatter = JsonFormatter()

    def describe_loss(lines: int) -> str:
        facts = {"facts": {"lines": lines}, "name": logger.name, "levelname": "WARNING", "msg": "log lines lost"}
        return formatter.format(logging.makeLogRecord(facts)) + "\n"

    file = sys.stderr.fileno() if sys.stderr else os.open(os.devnull, os.O_WRONLY)  # it may be closed
    handler = LogHandler(LogWriter(file, describe_loss))
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    return handler


class RequestLogMiddleware:
    """Gives each request a record, echoes the client's request id, and calls `report` when the request is over.

    It is the outermost middleware, so that no request escapes the log.
    """

    def __init__(self, next_app: ASGIApp, report: Report) -> None:
        self._next_app = next_app
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._next_app(scope, receive, send)
            return
        started_at = time.perf_counter()
        names = names_in(scope["headers"])
        record = new_record(names, started_at=started_at)
        scope.setdefault("state", {})["record"] = record
        routing = scope.setdefault("extensions", {}).setdefault(ROUTING_CONTEXT, {})

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                if names.header:
                    MutableHeaders(scope=message)[names.header] = names.request_id
            await send(message)

        try:
            await self._next_app(scope, receive, send_recorded)
        finally:
            record.operation = routing.get("operation_id")
            record.duration_ms = round((time.perf_counter() - started_at) * 1000, 3)
            self._report(record, scope["method"], scope["path"])


class RequestLog:
    """Writes a line for each finished request that is an error, and for one in `one_in` of the others; 0: for none.

    An error is a request that was not answered with a status below 400.
    """

    def __init__(self, one_in: int) -> None:
        self._one_in, self._passed = one_in, 0

    def write(self, record: RequestRecord, method: str | None, path: str | None) -> None:
        """Log a request's line; `method` and `path` are None where they could not be read."""
        if record.status is None or record.status >= HTTPStatus.BAD_REQUEST or self._is_next():
            _write_line(record, method, path)

    def _is_next(self) -> bool:
        self._passed += 1
        return bool(self._one_in) and self._passed % self._one_in == 0


def new_record(names: RequestNames, **facts: Any) -> RequestRecord:
    """Return the record of a request that its caller names like this; one without an id gets a new one."""
    parent = names.parent
    request_id = names.request_id or str(uuid.uuid4())
    return RequestRecord(request_id, parent=parent, trace_id=parent.trace_id if parent else None, **facts)


def _write_line(record: RequestRecord, method: str | None, path: str | None) -> None:
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
        "traceId": record.trace_id,
        "stagesMs": record.stages_ms,
        "model": record.model,
        "stream": record.stream or (f"@{record.caller}" if record.caller else None),
        "outcome": record.outcome,
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
    """Return the level of an answer: a refusal for lack of capacity is a warning, a failure of our own an error."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return logging.WARNING
    return logging.ERROR if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
