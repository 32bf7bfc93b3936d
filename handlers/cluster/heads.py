"""The rules for the head of a request, which framehook's own server applies at the socket: here, behind Ray's proxy."""

from starlette.types import Scope, Send

from handlers.parsing.request_names import names_in
from handlers.server.middleware.logs import Report, new_record
from handlers.server.wire.http_head import MAX_HEADER_FIELDS, TOO_LARGE, RefusedError, check_head


def refuse_bad_head(scope: Scope) -> None:
    """Raise RefusedError for a head that the contract does not allow. The proxy has read all of it."""
    headers, query = scope["headers"], scope["query_string"]
    if len(headers) > MAX_HEADER_FIELDS:
        raise RefusedError(*TOO_LARGE)
    check_head(scope["raw_path"] + (b"?" + query if query else b""), headers, scope["http_version"])


async def answer_refused(error: RefusedError, scope: Scope, send: Send, report: Report) -> None:
    """Answer in plain text, as framehook's own server does, and log the refusal."""
    names = names_in(scope["headers"])
    report(new_record(names, status=error.status, detail=error.sentence), None, None)
    body = error.sentence.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *([(names.header.lower().encode(), names.request_id.encode())] if names.header else ()),
    ]
    await send({"type": "http.response.start", "status": error.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
