"""Which forms of HTTP a server must understand: targets, headers, connections, how bodies are framed."""

from dataclasses import replace
from http import HTTPStatus
from uuid import uuid4

from conformance.asking.connection import CONTINUE_WAIT_S
from conformance.asking.messages import Answer, Request
from conformance.errors import NoAnswerError
from conformance.subject import Subject
from conformance.verdicts import PAGE, Check, Finding, cannot_tell, doubtful, passed, rfc, wrong

FRAMES = 3
CHUNK_BYTES = 4096


def _judged(answer: Answer) -> Finding:
    return passed(answer.summary) if answer.is_good else wrong(f"answered {answer.summary}")


def _ask_client_headers(subject: Subject) -> Finding:
    headers = (
        ("Accept", "application/json, */*"),
        ("User-Agent", "Azure Media Services"),
        ("x-ms-client-request-id", str(uuid4())),
    )
    return _judged(subject.server.post(subject.request.body, headers=headers))


def _ask_absolute_target(subject: Subject) -> Finding:
    answer = subject.server.ask(replace(subject.request, target=subject.server.address.url))
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return cannot_tell("answered 401: with Digest it is not clear whether the whole URL is signed")
    return _judged(answer)


def _ask_keep_alive(subject: Subject) -> Finding:
    subject.server.count(FRAMES - 1)
    with subject.server.connection() as connection:
        for count in range(1, FRAMES + 1):
            try:
                answer = subject.server.ask_over(connection, subject.request)
            except NoAnswerError as error:
                return wrong(f"frame {count} on one connection: {error}")
            if not answer.is_good:
                return wrong(f"frame {count} on one connection was answered {answer.summary}")
            if not answer.is_reusable:
                return doubtful(f"the server closes after each answer ({_way_of_closing(answer)})")
    return passed(f"{FRAMES} frames were answered on one connection")


def _way_of_closing(answer: Answer) -> str:
    if answer.http_version != "1.1":
        return f"it speaks HTTP/{answer.http_version}"
    return f"Connection: {answer.header('connection') or 'not given, and the body has no length'}"


def _ask_chunked(subject: Subject) -> Finding:
    answer = subject.server.ask(replace(subject.request, chunk_bytes=CHUNK_BYTES))
    if answer.status == HTTPStatus.LENGTH_REQUIRED:
        return doubtful("answered 411: it insists on Content-Length")
    if answer.http_version != "1.1" and not answer.is_good:
        return doubtful(f"answered {answer.summary}; it speaks HTTP/{answer.http_version}, which has no chunks")
    return _judged(answer)


def _ask_expect(subject: Subject) -> Finding:
    answer = subject.server.ask(
        replace(subject.request, headers=(*subject.request.headers, ("Expect", "100-continue")), waits=True)
    )
    if answer.status == HTTPStatus.EXPECTATION_FAILED:
        return doubtful("answered 417: the client has to ask again without Expect")
    if not answer.is_good or answer.was_continued or answer.duration_s < CONTINUE_WAIT_S:
        return _judged(answer)
    if answer.http_version != "1.1":
        return doubtful(f"no 100 Continue came, as the server speaks HTTP/{answer.http_version}")
    return wrong(f"neither 100 Continue nor an answer came within {CONTINUE_WAIT_S:g} s")


def _ask_header_case(subject: Subject) -> Finding:
    body = subject.request.body
    headers = (("Content-Type", "image/jpeg"), ("Content-Length", str(len(body))))
    low = subject.server.ask(Request(body, tuple((name.lower(), value) for name, value in headers)))
    high = subject.server.ask(Request(body, tuple((name.upper(), value) for name, value in headers)))
    return _judged(high if low.is_good else low)


def _ask_media_type_case(subject: Subject) -> Finding:
    return _judged(subject.server.post(subject.request.body, "Image/JPEG"))


CHECKS = (
    Check(
        "requests.client-headers",
        "A frame with the headers of the real client is answered with 200 or 204.",
        "The client always sends these headers: no frame of it would be answered.",
        PAGE,
        _ask_client_headers,
    ),
    Check(
        "requests.absolute-target",
        "A frame whose request target is a whole URL is answered with 200 or 204.",
        "The example of the protocol has such a target, and clients behind a proxy send it.",
        rfc(9112, "3.2.2"),
        _ask_absolute_target,
    ),
    Check(
        "requests.keep-alive",
        "Several frames are answered on one connection; a server that closes it says so before.",
        "The client posts on a connection that has gone, and loses the frame; or pays for a new connection each time.",
        rfc(9112, "9.3"),
        _ask_keep_alive,
    ),
    Check(
        "requests.chunked",
        "A frame whose body comes in chunks is answered with 200 or 204.",
        "Clients that stream do not know the length before; GStreamer's does so.",
        rfc(9112, "7.1"),
        _ask_chunked,
    ),
    Check(
        "requests.expect",
        "A client that waits with the body gets 100 Continue, or an answer at once.",
        "curl and others wait a second with large bodies, so each frame comes a second late.",
        rfc(9110, "10.1.1"),
        _ask_expect,
    ),
    Check(
        "requests.header-case",
        "Names of headers may be in small or in capital letters.",
        "Proxies and libraries change the letters; behind them no frame would be answered.",
        rfc(9110, "5.1"),
        _ask_header_case,
    ),
    Check(
        "requests.media-type-case",
        "Media types may be in small or in capital letters.",
        "The standard lets clients write Image/JPEG; their frames would be refused.",
        rfc(9110, "8.3.1"),
        _ask_media_type_case,
    ),
)
