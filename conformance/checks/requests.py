"""Which forms of a request a server must understand."""

from conformance.pictures.encoding import bmp, jpeg, png
from conformance.subject import Subject
from conformance.verdicts import PAGE, TOPOLOGIES, Check, Finding, passed, wrong


def _answered(subject: Subject, body: bytes, media_type: str) -> Finding:
    answer = subject.server.post(body, media_type)
    return passed(answer.summary) if answer.is_good else wrong(f"answered {answer.summary}")


def _ask_jpeg(subject: Subject) -> Finding:
    return _answered(subject, jpeg(subject.photos[0].image), "image/jpeg")


def _ask_png(subject: Subject) -> Finding:
    return _answered(subject, png(subject.photos[0].image), "image/png")


def _ask_bmp(subject: Subject) -> Finding:
    return _answered(subject, bmp(subject.photos[0].image), "image/bmp")


CHECKS = (
    Check(
        "requests.jpeg",
        "A JPEG of 416 x 416 pixels is answered with 200 or 204.",
        "Nothing else can be judged if a common frame is not answered.",
        PAGE,
        _ask_jpeg,
        after=(),
    ),
    Check(
        "requests.png",
        "A PNG is answered with 200 or 204.",
        "PNG is one of the four types that the client may send.",
        PAGE,
        _ask_png,
    ),
    Check(
        "requests.bmp",
        "A BMP of 24 bits a pixel is answered with 200 or 204.",
        "BMP is what the sample topologies send.",
        TOPOLOGIES,
        _ask_bmp,
    ),
)
