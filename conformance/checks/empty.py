"""How a server must say that it found nothing."""

from functools import partial
from http import HTTPStatus

from conformance.asking.messages import Answer, Headers, Request
from conformance.inferences import document
from conformance.pictures.encoding import jpeg, plain
from conformance.pictures.photos import SIDE_PX
from conformance.published import shown
from conformance.subject import Subject
from conformance.verdicts import DECIDED, PAGE, Check, Finding, Source, cannot_tell, passed, wrong

GREYS = (128, 0, 255)
"""Plain pictures that are tried: some models find something in one of them."""
AFTER = ("empty.status",)


def _ask_status(subject: Subject) -> Finding:
    found = 0
    for body in _frames():
        answer = subject.server.post(body)
        if answer.status == HTTPStatus.NO_CONTENT:
            return passed()
        if answer.status != HTTPStatus.OK:
            return wrong(f"a plain picture was answered {answer.summary}")
        if fault := _emptiness(answer):
            return wrong(f"a plain picture was answered 200 with {fault}")
        found += 1
    return cannot_tell(f"the server finds something in each of {found} plain pictures")


def _emptiness(answer: Answer) -> str:
    """Return what an answer has instead of results; "" if it has some, or cannot be read."""
    if not answer.body:
        return "an empty body"
    try:
        content = document(answer)
    except ValueError:
        return ""
    listed = content.get("inferences") if isinstance(content, dict) else None
    return "" if isinstance(content, dict) and listed else shown(content)


def _ask_body(subject: Subject) -> Finding:
    for body in _frames():
        answer, surplus = _asked_alone(subject, body)
        if answer.status == HTTPStatus.NO_CONTENT:
            return wrong(f"{len(surplus)} bytes followed: {shown(surplus.decode('latin-1'))}") if surplus else passed()
    return cannot_tell("no plain picture was answered 204 this time")


def _asked_alone(subject: Subject, body: bytes) -> tuple[Answer, bytes]:
    """Return an answer, and what follows on the connection although it has ended."""
    server = subject.server
    request = Request(body, (("Content-Type", "image/jpeg"), ("Connection", "close")))
    answer, surplus = _sent(subject, request, server.usual_headers())
    if answer.status == HTTPStatus.UNAUTHORIZED:
        headers = server.credentials.headers("POST", server.address.target, answer)
        answer, surplus = _sent(subject, request, headers)
    return answer, surplus


def _sent(subject: Subject, request: Request, headers: Headers) -> tuple[Answer, bytes]:
    with subject.server.connection() as connection:
        return connection.ask(request, headers), connection.surplus()


def _without(headers: tuple[str, ...], subject: Subject) -> Finding:
    for body in _frames():
        answer = subject.server.post(body)
        if answer.status == HTTPStatus.NO_CONTENT:
            given = [f"{name}: {shown(value)[1:-1]}" for name, value in answer.headers if name in headers]
            return wrong(f"it has {', '.join(given)}") if given else passed()
    return cannot_tell("no plain picture was answered 204 this time")


def _frames() -> tuple[bytes, ...]:
    return tuple(jpeg(plain((SIDE_PX, SIDE_PX), grey)) for grey in GREYS)


CHECKS = (
    Check(
        "empty.status",
        "A frame in which nothing is found is answered 204.",
        "The client drops 204; an empty list goes through the whole pipeline, and the schema forbids it.",
        PAGE,
        _ask_status,
    ),
    Check(
        "empty.body",
        "204 has no body.",
        "The client takes the body for the beginning of the next answer on the connection.",
        PAGE,
        _ask_body,
        after=AFTER,
    ),
    Check(
        "empty.length",
        "204 has neither Content-Length nor Transfer-Encoding.",
        "HTTP forbids both; some clients wait for a body.",
        Source("RFC 9110, section 8.6; RFC 9112, section 6.1"),
        partial(_without, ("content-length", "transfer-encoding")),
        after=AFTER,
    ),
    Check(
        "empty.media-type",
        "204 has no Content-Type.",
        "There is no content whose type it could be; a client may try to read it.",
        DECIDED,
        partial(_without, ("content-type",)),
        after=AFTER,
    ),
)
