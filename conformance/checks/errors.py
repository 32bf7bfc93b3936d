"""What a server answers to what is no frame, and whether it answers frames afterwards."""

import re
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus

from conformance.asking.messages import Answer, Request
from conformance.errors import NoAnswerError, TooSlowError
from conformance.subject import Subject
from conformance.verdicts import DECIDED, PAGE, Check, Finding, doubtful, passed, rfc, wrong

RUBBISH = {
    "text labelled image/jpeg": (b"This is no picture. " * 20, "image/jpeg"),
    "text labelled image/png": (b"This is no picture. " * 20, "image/png"),
    "rubbish that begins like a JPEG": (b"\xff\xd8\xff\xe0" + bytes(range(256)) * 3, "image/jpeg"),
}
BAD_FRAMES = 12
CLIENT_ERRORS = range(400, 500)
MAX_SEARCHED = 20_000
TRACES = {
    "a stack trace": re.compile(
        r'Traceback \(most recent call|File "[^"\n]{1,300}", line \d|\bat [\w.$<>]{1,200} ?\([^)\n]{0,200}:\d+\)'
    ),
    "a path of its files": re.compile(
        r"(?<![\w/:.])(?:[A-Z]:\\|/)(?:[\w.+ -]{1,80}[/\\]){1,20}[\w.+-]{1,80}"
        r"\.(?:py|js|mjs|ts|go|rs|java|cs|cc|cpp|c|h|rb|php|so)\b"
    ),
}


def _client_error(answer: Answer) -> Finding:
    return (passed if answer.status in CLIENT_ERRORS else wrong)(f"answered {answer.summary}")


def _ask_success(subject: Subject) -> Finding:
    for name, frame in RUBBISH.items():
        try:
            answer = subject.server.post(*frame)
        except NoAnswerError:
            continue
        if answer.status == HTTPStatus.OK:
            return wrong(f"{name} was answered 200: {answer.body[:60].decode('ascii', 'replace')!r}")
        if answer.status == HTTPStatus.NO_CONTENT:
            return doubtful(f"{name} was answered 204, as if nothing was in the picture")
    return passed("none was answered with 200 or 204")


def _ask_undecodable(subject: Subject) -> Finding:
    for name, frame in RUBBISH.items():
        answer = subject.server.post(*frame)
        if answer.status not in CLIENT_ERRORS:
            return wrong(f"{name} was answered {answer.summary}")
    return passed("all were answered with 4xx")


def _ask_empty_body(subject: Subject) -> Finding:
    return _client_error(subject.server.post(b""))


def _ask_media_type(subject: Subject) -> Finding:
    answer = subject.server.post(b"This is no picture.", "text/plain")
    if answer.status in CLIENT_ERRORS and answer.status != HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        return passed(f"answered {answer.summary}; 415 would name the reason")
    return _client_error(answer)


def _ask_method(subject: Subject) -> Finding:
    try:
        answer = subject.server.ask(Request(method="GET"))
    except NoAnswerError as error:
        return doubtful(str(error))
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED and answer.header("allow") is None:
        return wrong("405 has no Allow")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.NOT_IMPLEMENTED:
        return doubtful(f"answered {answer.summary}")
    return passed(f"answered {answer.summary}")


def _ask_trace(subject: Subject) -> Finding:
    for answer in _refusals(subject):
        text = answer.body[:MAX_SEARCHED].decode("utf-8", "replace")
        shown = [name for name, pattern in TRACES.items() if answer.status != HTTPStatus.OK and pattern.search(text)]
        if shown:
            return wrong(f"an answer with {answer.status} shows {' and '.join(shown)}")
    return passed("no error shows more than it should")


def _refusals(subject: Subject) -> Iterator[Answer]:
    for frame in (*RUBBISH.values(), (b"", "image/jpeg"), (b"This is no picture.", "text/plain")):
        with suppress(NoAnswerError):
            yield subject.server.post(*frame)
    with suppress(NoAnswerError):
        yield subject.server.ask(Request(method="GET"))


def _ask_recovers(subject: Subject) -> Finding:
    frame = subject.frame
    _post_bad_frames(subject)
    answer = subject.server.post(frame)
    if answer.is_good:
        return passed(f"answered {answer.summary}")
    return wrong(f"after {BAD_FRAMES} bad frames a good one was answered {answer.summary}")


def _post_bad_frames(subject: Subject) -> None:
    """Post bad frames; no more once one takes too long."""
    for _ in range(BAD_FRAMES):
        try:
            subject.server.post(*RUBBISH["text labelled image/jpeg"])
        except TooSlowError:
            return
        except NoAnswerError:
            continue


CHECKS = (
    Check(
        "errors.success",
        "What is no picture is answered with neither 200 nor 204.",
        "A source that sends broken frames looks as if it saw nothing, and the error reaches the user as a result.",
        PAGE,
        _ask_success,
    ),
    Check(
        "errors.undecodable",
        "What is no picture is answered with 4xx.",
        "With 500 the user looks for the fault in the server, although the frames are bad.",
        DECIDED,
        _ask_undecodable,
        after=("errors.success",),
    ),
    Check(
        "errors.empty-body",
        "A request without a body is answered with 4xx.",
        "With 500 the user looks for the fault in the server, although the client sends nothing.",
        DECIDED,
        _ask_empty_body,
        after=("errors.undecodable",),
    ),
    Check(
        "errors.media-type",
        "Text that is labelled text/plain is answered with 4xx, at best 415.",
        "A client that posts a form or JSON does not learn that its request has the wrong type.",
        DECIDED,
        _ask_media_type,
        after=("errors.undecodable",),
    ),
    Check(
        "errors.method",
        "GET is not an error of the server; 405 says in Allow what is allowed.",
        "People open the address in a browser first, and should see that the server lives.",
        rfc(9110, "15.5.6"),
        _ask_method,
    ),
    Check(
        "errors.trace",
        "Errors show no stack trace and no path of a file.",
        "It tells strangers how the server is built, and users nothing that helps them.",
        DECIDED,
        _ask_trace,
    ),
    Check(
        "errors.recovers",
        "After bad frames a good one is answered.",
        "One broken camera stops the results of all others.",
        PAGE,
        _ask_recovers,
    ),
)
