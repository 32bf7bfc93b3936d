"""Which frames a server must understand: formats, sizes, labels."""

from collections.abc import Iterable
from http import HTTPStatus

from PIL import Image

from conformance.errors import NoAnswerError
from conformance.pictures.encoding import bmp, bmp_from_the_top, encode, jpeg, plain, png
from conformance.subject import Subject
from conformance.verdicts import DECIDED, PAGE, TOPOLOGIES, Check, Finding, doubtful, passed, wrong

SIZES_WH = ((416, 234), (37, 53), (240, 640), (640, 480), (1920, 1080))
"""What preserveAspectRatio makes of 16:9; an odd size; a tall one; two of cameras."""
LARGE_WH = (3840, 2160)
OTHER_LABELS = ("image/jpg", "image/pjpeg", "application/octet-stream")
HINTS = {
    401: "the server asks for credentials: give --user or --header-file",
    403: "is the credential right?",
    404: "is the path right?",
    405: "is the path right?",
}
"""What to do about the status of a common frame."""

Asked = tuple[str, bytes, str | None]
"""A name, a body and its media type."""


def _picture(subject: Subject) -> Image.Image:
    return subject.photos[0].image


def _answered(subject: Subject, body: bytes, media_type: str | None) -> Finding:
    answer = subject.server.post(body, media_type)
    return passed(answer.summary) if answer.is_good else wrong(f"answered {answer.summary}")


def _ask_jpeg(subject: Subject) -> Finding:
    try:
        answer = subject.server.post(jpeg(_picture(subject)))
    except NoAnswerError as error:
        return wrong(f"{error}; is the server started? framehook doctor asks further")
    if answer.is_good:
        return passed(answer.summary)
    hint = HINTS.get(answer.status)
    return wrong(f"answered {answer.summary}" + (f"; {hint}" if hint else ""))


def _rare(subject: Subject, body: bytes, media_type: str) -> Finding:
    """Ask for a form that the type allows but the client does not send: an error of the server is wrong."""
    answer = subject.server.post(body, media_type)
    if answer.is_good:
        return passed(answer.summary)
    return (wrong if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else doubtful)(f"answered {answer.summary}")


def _all_answered(subject: Subject, asked: Iterable[Asked]) -> Finding:
    refused = {name: outcome for name, body, kind in asked if (outcome := _refusal(subject, body, kind))}
    if refused:
        return wrong("; ".join(f"{name}: {outcome}" for name, outcome in refused.items()))
    return passed("all were answered")


def _refusal(subject: Subject, body: bytes, media_type: str | None) -> str:
    """Return what came instead of an answer; "" if the frame was answered."""
    try:
        answer = subject.server.post(body, media_type)
    except NoAnswerError as error:
        return str(error)
    return "" if answer.is_good else answer.summary


def _ask_png(subject: Subject) -> Finding:
    return _answered(subject, png(_picture(subject)), "image/png")


def _ask_bmp(subject: Subject) -> Finding:
    return _answered(subject, bmp(_picture(subject)), "image/bmp")


def _ask_png_alpha(subject: Subject) -> Finding:
    return _rare(subject, png(_picture(subject).convert("RGBA")), "image/png")


def _ask_png_grey(subject: Subject) -> Finding:
    return _rare(subject, png(_picture(subject).convert("L")), "image/png")


def _ask_jpeg_grey(subject: Subject) -> Finding:
    return _rare(subject, encode(_picture(subject).convert("L"), "JPEG"), "image/jpeg")


def _ask_bmp_from_the_top(subject: Subject) -> Finding:
    return _answered(subject, bmp_from_the_top(_picture(subject)), "image/bmp")


def _ask_sizes(subject: Subject) -> Finding:
    picture = _picture(subject)
    frames = ((f"{w} x {h}", jpeg(picture.resize((w, h))), "image/jpeg") for w, h in SIZES_WH)
    return _all_answered(subject, frames)


def _ask_large(subject: Subject) -> Finding:
    return _answered(subject, bmp(plain(LARGE_WH)), "image/bmp")


def _ask_label(subject: Subject) -> Finding:
    return _answered(subject, jpeg(_picture(subject)), "image/png")


def _ask_no_label(subject: Subject) -> Finding:
    return _answered(subject, jpeg(_picture(subject)), None)


def _ask_other_labels(subject: Subject) -> Finding:
    body = jpeg(_picture(subject))
    return _all_answered(subject, ((label, body, label) for label in OTHER_LABELS))


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
        "BMP is what most of the sample topologies send.",
        TOPOLOGIES,
        _ask_bmp,
    ),
    Check(
        "requests.png-alpha",
        "A PNG with transparency is answered with 200 or 204.",
        "Screenshots and many tools write PNG with transparency; a server that expects three channels fails on each.",
        PAGE,
        _ask_png_alpha,
        after=("requests.png",),
    ),
    Check(
        "requests.png-grey",
        "A grey PNG is answered with 200 or 204.",
        "A server that expects three channels fails on each frame of such a source.",
        PAGE,
        _ask_png_grey,
        after=("requests.png",),
    ),
    Check(
        "requests.jpeg-grey",
        "A grey JPEG is answered with 200 or 204.",
        "Infrared cameras send grey at night: a server that expects three channels then fails until the morning.",
        PAGE,
        _ask_jpeg_grey,
    ),
    Check(
        "requests.bmp-from-the-top",
        "A BMP with a negative height, whose rows run from the top down, is answered with 200 or 204.",
        "Windows and video libraries write BMP like this.",
        DECIDED,
        _ask_bmp_from_the_top,
        after=("requests.bmp",),
    ),
    Check(
        "requests.sizes",
        "Frames of any size are answered with 200 or 204.",
        "Topologies that keep the aspect ratio, or do not scale, send all sizes: the frames of most cameras are lost.",
        TOPOLOGIES,
        _ask_sizes,
    ),
    Check(
        "requests.large",
        "A BMP of 3840 x 2160 pixels, 24.9 MB, is answered with 200 or 204.",
        "A topology that does not scale sends this of a 4K camera; proxies often allow 1 MB.",
        TOPOLOGIES,
        _ask_large,
        after=("requests.bmp", "requests.sizes"),
    ),
    Check(
        "requests.label",
        "A JPEG that is labelled image/png is answered with 200 or 204: the bytes decide.",
        "Scripts often send one fixed label; their frames are lost although they can be decoded.",
        DECIDED,
        _ask_label,
    ),
    Check(
        "requests.no-label",
        "A JPEG without Content-Type is answered with 200 or 204.",
        "Many clients send none; their frames are lost although they can be decoded.",
        DECIDED,
        _ask_no_label,
    ),
    Check(
        "requests.other-labels",
        f"A JPEG labelled {', '.join(OTHER_LABELS[:-1])} or {OTHER_LABELS[-1]} is answered with 200 or 204.",
        "Many clients send one of these labels; their frames are lost although they can be decoded.",
        DECIDED,
        _ask_other_labels,
    ),
)
