"""The table exception → problem, and the one renderer: application/problem+json, or the shape of DeepStack."""

import json
import traceback
from dataclasses import dataclass
from functools import lru_cache

from connexion.exceptions import ProblemException
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from handlers.context import Context, RequestRecord
from handlers.deepstack import dialect
from handlers.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ForbiddenError,
    ForeignOriginError,
    InvalidParameterError,
    InvalidStreamSettingsError,
    MalformedContentTypeError,
    NoStreamSettingsError,
    RawFrameError,
    StreamSettingsLockedError,
    TooManyFailuresError,
    TooManyPixelsError,
    TooManyViewersError,
    UnauthorizedError,
    UndecodableFrameError,
    UnknownHostError,
    UnknownStreamError,
    UnsupportedContentEncodingError,
    UnsupportedMediaTypeError,
)
from models.errors import (
    DrainingError,
    InferenceError,
    InferenceTimeoutError,
    LaneLostError,
    ModelNotFoundError,
    ModelRejectedError,
    NotReadyError,
    OverloadedError,
    UnavailableError,
    UnknownLabelError,
)

TYPE_PREFIX = "urn:framehook:"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem: its status, the last part of its type, its title, and its sentence.

    `detail` replaces the exception's own sentence; exceptions of libraries never show theirs.
    """

    status: int
    slug: str
    title: str
    detail: str | None = None


PROBLEMS: dict[type[Exception], Problem] = {
    UndecodableFrameError: Problem(400, "undecodable-frame", "The frame cannot be decoded"),
    RawFrameError: Problem(400, "raw-frame-mismatch", "The raw frame does not fit its description"),
    InvalidParameterError: Problem(400, "invalid-parameter", "A parameter is invalid"),
    UnknownLabelError: Problem(400, "unknown-label", "The model has no such label"),
    UnauthorizedError: Problem(401, "unauthorized", "No credential, or a wrong one"),
    ForbiddenError: Problem(403, "forbidden", "Not allowed with this credential"),
    UnknownHostError: Problem(403, "unknown-host", "Unknown name of the service"),
    ForeignOriginError: Problem(403, "foreign-origin", "A page of another origin asked"),
    TooManyFailuresError: Problem(401, "too-many-failures", "Too many wrong passwords"),
    MalformedContentTypeError: Problem(400, "malformed-content-type", "The Content-Type is malformed"),
    ModelNotFoundError: Problem(404, "unknown-model", "No such model"),
    NoStreamSettingsError: Problem(404, "no-stream-settings", "No settings for this stream"),
    InvalidStreamSettingsError: Problem(400, "invalid-stream-settings", "The settings of the stream are wrong"),
    StreamSettingsLockedError: Problem(409, "stream-settings-locked", "The settings of streams cannot be changed"),
    UnknownStreamError: Problem(404, "unknown-stream", "No such stream"),
    BodyTimeoutError: Problem(408, "body-timeout", "The body did not arrive in time"),
    BodyTooLargeError: Problem(413, "body-too-large", "The body is too large"),
    TooManyPixelsError: Problem(413, "too-many-pixels", "The picture has too many pixels"),
    UnsupportedContentEncodingError: Problem(415, "unsupported-content-encoding", "Unsupported content encoding"),
    UnsupportedMediaTypeError: Problem(415, "unsupported-media-type", "Unsupported media type"),
    ModelRejectedError: Problem(422, "model-rejected", "The model cannot be served"),
    InferenceError: Problem(
        500, "internal-error", "The server failed", "The model failed on this frame; the server's log has the cause."
    ),
    NotReadyError: Problem(503, "not-ready", "The service is not ready"),
    DrainingError: Problem(503, "draining", "The service is shutting down"),
    OverloadedError: Problem(503, "overloaded", "The service is busy"),
    InferenceTimeoutError: Problem(503, "inference-timeout", "The frame took too long"),
    LaneLostError: Problem(503, "lane-lost", "The work on the frame was lost"),
    TooManyViewersError: Problem(503, "too-many-viewers", "Too many viewers"),
}

ROUTING_PROBLEMS = {
    404: Problem(
        404,
        "not-found",
        "No such path",
        "This path is not served; the contract at /openapi.yaml lists all paths.",
    ),
    405: Problem(
        405,
        "method-not-allowed",
        "Method not allowed",
        "This path does not accept that method; the header Allow lists the accepted ones.",
    ),
}

INTERNAL_PROBLEM = Problem(
    500, "internal-error", "The server failed", "The server failed on this request; its log has the cause."
)

HUNG_UP = "client-disconnected"
"""The problem in the log of a request whose client disconnected."""

HANG_UP_ERRORS = (BodyTooLargeError, BodyTimeoutError, DrainingError)
"""After these, neither the rest of the body nor another request is read: the connection is closed."""

UNFINISHED_HEADERS = {"expect", "transfer-encoding"}
"""Headers of requests whose body may still arrive, or has an unknown length, when the answer is sent."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal in the shape that its path's clients expect. `detail`: the sentence in it. `text`: the body."""

    status: int
    detail: str
    media_type: str
    text: str


def find_problem(error: Exception) -> Problem:
    """Return the row for an exception; an exception without a row is the server's own fault."""
    if isinstance(error, HTTPException) and type(error) not in PROBLEMS:
        return ROUTING_PROBLEMS.get(error.status_code, INTERNAL_PROBLEM)
    return PROBLEMS.get(type(error), INTERNAL_PROBLEM)


def refuse(error: Exception, record: RequestRecord, path: str) -> Refusal:
    """Return the answer to an exception, and write what it says into the request's record."""
    problem = find_problem(error)
    refusal = _refusal(problem, problem.detail or str(error), is_dialect=dialect.is_dialect(path))
    record.problem, record.detail = problem.slug, refusal.detail
    record.shed = error.reason if isinstance(error, UnavailableError) else None
    return refusal


@lru_cache(maxsize=64)
def _refusal(problem: Problem, detail: str, *, is_dialect: bool) -> Refusal:
    """Return the refusal with this sentence; kept, because under overload it is the same one again and again."""
    if is_dialect:
        detail, text = dialect.refusal(problem.status, problem.slug, detail)
        return Refusal(problem.status, detail, "application/json", text)
    document = {"type": TYPE_PREFIX + problem.slug, "title": problem.title, "status": problem.status, "detail": detail}
    return Refusal(problem.status, detail, MEDIA_TYPE, json.dumps(document, ensure_ascii=False))


async def render(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """Answer any exception, and write the cause of a failure of our own into the request's record."""
    record: RequestRecord = request.state.record
    refusal = refuse(error, record, request.scope["path"])
    if refusal.status == INTERNAL_PROBLEM.status:
        record.traceback = "".join(traceback.format_exception(error))
    return ConnexionResponse(
        status_code=refusal.status, mimetype=refusal.media_type, headers=_headers(request, error), body=refusal.text
    )


async def render_disconnect(request: ConnexionRequest, _: Exception) -> ConnexionResponse:
    """Record that the client disconnected; nobody receives the answer."""
    request.state.record.problem = HUNG_UP
    return ConnexionResponse(status_code=400)


def _headers(request: ConnexionRequest, error: Exception) -> MutableHeaders:
    headers = MutableHeaders((error.headers or {}) if isinstance(error, HTTPException) else {})
    if isinstance(error, UnavailableError | TooManyFailuresError | TooManyViewersError):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, HANG_UP_ERRORS) or UNFINISHED_HEADERS & set(request.headers):
        headers["Connection"] = "close"
    if isinstance(error, UnauthorizedError | TooManyFailuresError):
        context: Context = request.state.context
        for challenge in context.challenges(is_stale=isinstance(error, UnauthorizedError) and error.is_stale):
            headers.append("WWW-Authenticate", challenge)
    return headers


ERROR_HANDLERS = {
    ClientDisconnect: render_disconnect,
    ProblemException: render,
    HTTPException: render,
    Exception: render,
}
"""The handlers for connexion; all are async, because its thread pool could be full of slow work."""
