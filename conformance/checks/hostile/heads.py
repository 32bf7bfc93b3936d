"""Heads of requests that are too long or no HTTP, and whether the server lives after all."""

from dataclasses import replace
from http import HTTPStatus

from conformance.asking.messages import Request
from conformance.errors import NoAnswerError, TooSlowError
from conformance.subject import Subject
from conformance.verdicts import DECIDED, PAGE, Check, Finding, passed, wrong

LONG_HEADERS = tuple((f"X-Long-{number}", "x" * 1000) for number in range(64))
"""64 KB, none of them long by itself."""
PATIENCE_S = 5


def _judged(subject: Subject, request: Request, *, may_be_good: bool) -> Finding:
    """Ask; an error of the client or a closed connection is right."""
    try:
        with subject.server.connection(PATIENCE_S) as connection:
            answer = connection.ask(request, subject.server.usual_headers())
    except TooSlowError as error:
        return wrong(str(error))
    except NoAnswerError as error:
        return passed(str(error))
    well = (
        answer.is_good if answer.status < HTTPStatus.BAD_REQUEST else answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return (passed if well and (may_be_good or not answer.is_good) else wrong)(f"answered {answer.summary}")


def _ask_long_head(subject: Subject) -> Finding:
    request = replace(subject.request, headers=(*subject.request.headers, *LONG_HEADERS))
    return _judged(subject, request, may_be_good=True)


def _ask_bad_head(subject: Subject) -> Finding:
    return _judged(subject, Request(head=b"\x16\x03 nonsense\r\n\r\n"), may_be_good=False)


def _ask_lives(subject: Subject) -> Finding:
    answer = subject.server.post(subject.frame)
    return passed(answer.summary) if answer.is_good else wrong(f"a frame was answered {answer.summary}")


CHECKS = (
    Check(
        "hostile.long-head",
        "A request with 64 KB of headers is answered, or refused with 4xx, or the connection is closed.",
        "A server without a limit can be filled with headers; one that fails looks broken to its user.",
        DECIDED,
        _ask_long_head,
        is_hostile=True,
    ),
    Check(
        "hostile.bad-head",
        "Bytes that are no HTTP are answered with 4xx, or the connection is closed.",
        "Scanners, and clients that speak TLS to the wrong port, send such bytes every day.",
        DECIDED,
        _ask_bad_head,
        is_hostile=True,
    ),
    Check(
        "hostile.lives",
        "After all this a frame is still answered.",
        "One bad client stops the results of all.",
        PAGE,
        _ask_lives,
        is_hostile=True,
    ),
)
