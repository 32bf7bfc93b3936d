"""Bodies that do not come as they were announced."""

import socket
from contextlib import ExitStack, suppress
from http import HTTPStatus

from conformance.asking.connection import Connection
from conformance.asking.messages import Answer, Request
from conformance.errors import NoAnswerError, TooSlowError
from conformance.subject import Subject
from conformance.verdicts import DECIDED, Check, Finding, doubtful, not_asked, passed, rfc, wrong

SLOW_SENDERS, DRIPS = 8, 3
SHORT_BODIES = 2
PATIENCE_S = 2
"""How much longer than usual an answer may take while others send slowly, and how long a broken request may stay."""


def _ask_two_lengths(subject: Subject) -> Finding:
    """Both lengths hold the whole picture: a 400 is no word about the picture."""
    frame = subject.request
    lengths = tuple(("Content-Length", str(len(frame.body) + more)) for more in (0, 1))
    try:
        answer = subject.server.ask(Request(frame.body + b"\0", frame.headers + lengths))
    except TooSlowError:
        raise
    except NoAnswerError as error:
        return doubtful(f"refused without an answer: {error}")
    if answer.is_good:
        return wrong(f"one of the lengths was believed: answered {answer.summary}")
    return (passed if answer.status == HTTPStatus.BAD_REQUEST else doubtful)(f"answered {answer.summary}")


def _ask_length_and_chunked(subject: Subject) -> Finding:
    frame = subject.request
    framing = (("Content-Length", str(len(frame.body))), ("Transfer-Encoding", "chunked"))
    both = Request(frame.body, frame.headers + framing, chunk_bytes=len(frame.body))
    with subject.server.connection(PATIENCE_S + subject.server.limits.timeout_s) as connection:
        try:
            answer = connection.ask(both, subject.server.usual_headers())
        except TooSlowError:
            raise
        except NoAnswerError as error:
            return passed(f"refused without an answer: {error}")
        if not answer.is_reusable or _is_closed(connection, frame, subject):
            judge = doubtful if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else passed
            return judge(f"answered {answer.summary}, and the connection closed")
    return wrong(f"answered {answer.summary}, and the connection stayed open for further requests")


def _is_closed(connection: Connection, frame: Request, subject: Subject) -> bool:
    subject.server.count()
    try:
        subject.server.ask_over(connection, frame)
    except TooSlowError:
        return False
    except NoAnswerError:
        return True
    return False


def _ask_short_body(subject: Subject) -> Finding:
    if subject.server.address.scheme == "https":
        return not_asked("over TLS one half of a connection cannot be closed alone")
    frame = subject.request
    usual = subject.server.ask(frame)
    with ExitStack() as stack:
        opened = [stack.enter_context(subject.server.connection(PATIENCE_S)) for _ in range(SHORT_BODIES)]
        for connection in opened:
            _begin(connection, frame, subject)
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
        other = _answer_meanwhile(subject, frame, usual)
        if not other.is_good:
            return wrong(f"another frame was answered {other.summary} meanwhile")
        ends = [_end(connection) for connection in opened]
    bad = [end for end in ends if end]
    return wrong(bad[0]) if bad else passed("the requests ended, and another frame was answered meanwhile")


def _begin(connection: Connection, frame: Request, subject: Subject) -> None:
    """Send the head of a frame and half of its body."""
    connection.start(frame, subject.server.usual_headers())
    connection.send(frame.body[: len(frame.body) // 2])


def _end(connection: Connection) -> str:
    """Return what is wrong with how a request that never becomes whole ends; "" if nothing."""
    try:
        answer = connection.finish()
    except TooSlowError:
        return f"the connection was neither answered nor closed within {PATIENCE_S} s"
    except NoAnswerError:
        return ""
    return (
        f"half a body was answered {answer.summary}"
        if answer.is_good or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else ""
    )


def _answer_meanwhile(subject: Subject, frame: Request, usual: Answer) -> Answer:
    with subject.server.connection(PATIENCE_S + 3 * usual.duration_s) as connection:
        return subject.server.ask_over(connection, frame)


def _ask_slow_body(subject: Subject) -> Finding:
    frame = subject.request
    usual = subject.server.ask(frame)
    middle = len(frame.body) // 2
    with ExitStack() as stack:
        slow = [stack.enter_context(subject.server.connection()) for _ in range(SLOW_SENDERS)]
        for connection in slow:
            _begin(connection, frame, subject)
        for drip in range(DRIPS):
            for connection in slow:
                connection.send(frame.body[middle + drip : middle + drip + 1])
            try:
                answer = _answer_meanwhile(subject, frame, usual)
            except NoAnswerError as error:
                return wrong(f"while {SLOW_SENDERS} clients send slowly, other frames get no answer: {error}")
            if not answer.is_good:
                return wrong(f"while {SLOW_SENDERS} clients send slowly, another frame was answered {answer.summary}")
    return passed(f"{DRIPS} frames were answered while {SLOW_SENDERS} clients sent slowly")


CHECKS = (
    Check(
        "hostile.two-lengths",
        "A request with two different lengths is answered with 400.",
        "A proxy and the server take different ends of it: what one user sends becomes the request of another.",
        rfc(9112, "6.3"),
        _ask_two_lengths,
        is_hostile=True,
    ),
    Check(
        "hostile.length-and-chunked",
        "A request with both Content-Length and chunks is refused, or answered; in any case the connection closes.",
        "A proxy and the server take different ends of it: what one user sends becomes the request of another.",
        rfc(9112, "6.1"),
        _ask_length_and_chunked,
        is_hostile=True,
    ),
    Check(
        "hostile.short-body",
        "A client that stops sending in the middle of a body holds nothing up, and half a frame is no frame.",
        "Links of cameras break in mid frame: a server that waits for the rest slowly fills with such requests.",
        DECIDED,
        _ask_short_body,
        is_hostile=True,
    ),
    Check(
        "hostile.slow-body",
        f"While {SLOW_SENDERS} clients send their bodies slowly, the frames of others are answered.",
        "A few cameras with bad links, or one attacker, stop the results of all.",
        DECIDED,
        _ask_slow_body,
        is_hostile=True,
    ),
)
