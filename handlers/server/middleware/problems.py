"""The table exception → problem, and the one renderer: application/problem+json, or the shape of DeepStack."""

import json
import traceback
from dataclasses import dataclass
from functools import lru_cache

from connexion.exceptions import ProblemException, UnsupportedMediaTypeProblem
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from handlers.context import Context, RequestRecord
from handlers.decoding.description import RAW_MEDIA_TYPE
from handlers.decoding.encoded import CODECS
from handlers.deepstack.predictions import encode_failure
from handlers.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ForbiddenError,
    InvalidParameterError,
    MalformedContentTypeError,
    RawFrameError,
    TooManyFailuresError,
    TooManyPixelsError,
    TooManyViewersError,
    UnauthorizedError,
    UndecodableFrameError,
    UnknownStreamError,
    UnsupportedContentEncodingError,
)
from models.errors import (
    DrainingError,
    InferenceError,
    InferenceTimeoutError,
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

    `detail` replaces the exception's own sentence; those of others never show theirs.
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
    TooManyFailuresError: Problem(401, "too-many-failures", "Too many wrong passwords"),
    MalformedContentTypeError: Problem(400, "malformed-content-type", "The Content-Type is malformed"),
    ModelNotFoundError: Problem(404, "unknown-model", "No such model"),
    UnknownStreamError: Problem(404, "unknown-stream", "No such stream"),
    BodyTimeoutError: Problem(408, "body-timeout", "The body did not arrive in time"),
    BodyTooLargeError: Problem(413, "body-too-large", "The body is too large"),
    TooManyPixelsError: Problem(413, "too-many-pixels", "The picture has too many pixels"),
    UnsupportedContentEncodingError: Problem(415, "unsupported-content-encoding", "Unsupported content encoding"),
    UnsupportedMediaTypeProblem: Problem(
        415,
        "unsupported-media-type",
        "Unsupported media type",
        f"Send the header Content-Type: {', '.join(CODECS)} or {RAW_MEDIA_TYPE}. "
        "For all but the last, application/octet-stream is accepted too.",
    ),
    ModelRejectedError: Problem(422, "model-rejected", "The model cannot be served"),
    InferenceError: Problem(
        500, "internal-error", "The server failed", "The model failed on this frame; the server's log has the cause."
    ),
    NotReadyError: Problem(503, "not-ready", "The service is not ready"),
    DrainingError: Problem(503, "draining", "The service is shutting down"),
    OverloadedError: Problem(503, "overloaded", "The service is busy"),
    InferenceTimeoutError: Problem(503, "inference-timeout", "The model took too long"),
    TooManyViewersError: Problem(503, "too-many-viewers", "Too many viewers"),
}

ROUTING_PROBLEMS = {
    404: Problem(
        404,
        "not-found",
        "No such path",
        "This path is not served; the contract at /openapi.yaml lists those that are.",
    ),
    405: Problem(
        405,
        "method-not-allowed",
        "Method not allowed",
        "This path does not take that method; the header Allow names those it takes.",
    ),
}

DIALECT_PREFIX = "/v1/"
"""Paths whose callers expect refusals in the shape of DeepStack."""

DIALECT_DETAILS = {
    "unauthorized": "Send a credential that is known here: with a picture, a token as api_key in the form will do; "
    "the header WWW-Authenticate names the other ways.",
    "unsupported-media-type": "Send the picture in a form, as multipart/form-data, in a file called image.",
}
"""What is told to them instead: the last part of a problem's type → its sentence."""

INTERNAL_PROBLEM = Problem(
    500, "internal-error", "The server failed", "The server failed on this request; its log has the cause."
)

HUNG_UP = "client-disconnected"
"""What the log calls a request whose caller went away."""

HANG_UP_ERRORS = (BodyTooLargeError, BodyTimeoutError, DrainingError)
"""After these the rest of the body, or the next request, is unwelcome, so the connection is closed."""

UNFINISHED_HEADERS = {"expect", "transfer-encoding"}
"""Of requests whose body may still be to come, or of unknown length, when the answer is sent."""


def is_dialect(path: str) -> bool:
    """Tell whether a path is one of DeepStack's."""
    return path.startswith(DIALECT_PREFIX)


def find_problem(error: Exception) -> Problem:
    """Return the row for an exception; anything that has none is the server's own fault."""
    if isinstance(error, HTTPException) and type(error) not in PROBLEMS:
        return ROUTING_PROBLEMS.get(error.status_code, INTERNAL_PROBLEM)
    return PROBLEMS.get(type(error), INTERNAL_PROBLEM)


def note(error: Exception, record: RequestRecord, path: str) -> Problem:
    """Return the row for an exception, and put what is known of it into the request's record."""
    problem = find_problem(error)
    told_there = DIALECT_DETAILS.get(problem.slug) if is_dialect(path) else None
    record.problem, record.detail = problem.slug, told_there or problem.detail or str(error)
    record.shed = error.reason if isinstance(error, UnavailableError) else None
    return problem


async def render(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """Answer any exception with what is said of it, and leave its cause in the request's record."""
    record: RequestRecord = request.state.record
    path = request.scope["path"]
    problem = note(error, record, path)
    if problem.status == INTERNAL_PROBLEM.status:
        record.traceback = "".join(traceback.format_exception(error))
    media_type, body = document(problem, str(record.detail), is_dialect=is_dialect(path))
    return ConnexionResponse(
        status_code=problem.status, mimetype=media_type, headers=_headers(request, error), body=body
    )


@lru_cache(maxsize=64)
def document(problem: Problem, detail: str, *, is_dialect: bool) -> tuple[str, str]:
    """Return the media type and the text of a refusal; under overload it is the same one again and again."""
    if is_dialect:
        return "application/json", encode_failure(problem.status, detail)
    return MEDIA_TYPE, json.dumps(
        {"type": TYPE_PREFIX + problem.slug, "title": problem.title, "status": problem.status, "detail": detail},
        ensure_ascii=False,
    )


async def render_disconnect(request: ConnexionRequest, _: Exception) -> ConnexionResponse:
    """Note that the caller hung up; nobody hears the answer."""
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
"""What connexion is told; all of them async, since its thread pool could be full of slow work."""
