"""Pictures that are broken, of strange sizes, or far larger than their bytes."""

from PIL import Image

from conformance.pictures.encoding import jpeg, png
from conformance.pictures.traps import BOMB_SIDE_PX, bmp_of_claims, png_bomb
from conformance.subject import Subject
from conformance.verdicts import DECIDED, Check, Finding, doubtful, passed, wrong

THIN_WH = (1, 8000)
QUICK_S = 2
"""A server that looks at the header before it decodes needs far less."""
CLIENT_ERRORS = range(400, 500)


def _refused(subject: Subject, body: bytes, media_type: str) -> Finding:
    answer = subject.server.post(body, media_type)
    if answer.status not in CLIENT_ERRORS:
        return wrong(f"answered {answer.summary}")
    if answer.duration_s > QUICK_S:
        return doubtful(f"answered {answer.summary} after {answer.duration_s:.1f} s")
    return passed(f"answered {answer.summary}")


def _answered_or_refused(subject: Subject, body: bytes, media_type: str) -> Finding:
    answer = subject.server.post(body, media_type)
    well = answer.is_good or answer.status in CLIENT_ERRORS
    return (passed if well else wrong)(f"answered {answer.summary}")


def _ask_truncated(subject: Subject) -> Finding:
    whole = jpeg(subject.photos[0].image)
    answer = subject.server.post(whole[: len(whole) // 2])
    if answer.is_good:
        return doubtful(f"answered {answer.summary}, as if the frame was whole")
    return (passed if answer.status in CLIENT_ERRORS else wrong)(f"answered {answer.summary}")


def _ask_one_pixel(subject: Subject) -> Finding:
    return _answered_or_refused(subject, jpeg(Image.new("RGB", (1, 1))), "image/jpeg")


def _ask_thin(subject: Subject) -> Finding:
    return _answered_or_refused(subject, png(Image.new("RGB", THIN_WH)), "image/png")


def _ask_bomb(subject: Subject) -> Finding:
    return _refused(subject, png_bomb(), "image/png")


def _ask_bmp_header(subject: Subject) -> Finding:
    return _refused(subject, bmp_of_claims(), "image/bmp")


_AFTER = ("requests.jpeg", "errors.undecodable")

CHECKS = (
    Check(
        "hostile.truncated",
        "Half a JPEG is answered with 4xx.",
        "Cameras with bad links send such frames; what is missing is grey, and objects are found or lost in it.",
        DECIDED,
        _ask_truncated,
        _AFTER,
        is_hostile=True,
    ),
    Check(
        "hostile.one-pixel",
        "A frame of 1 x 1 pixel is answered or refused, with 200, 204 or 4xx.",
        "Sizes that become 0 when they are scaled are a common error of servers.",
        DECIDED,
        _ask_one_pixel,
        _AFTER,
        is_hostile=True,
    ),
    Check(
        "hostile.thin",
        f"A frame of {THIN_WH[0]} x {THIN_WH[1]} pixels is answered or refused, with 200, 204 or 4xx.",
        "Sizes that become 0 when they are scaled are a common error of servers.",
        DECIDED,
        _ask_thin,
        _AFTER,
        is_hostile=True,
    ),
    Check(
        "hostile.bomb",
        f"A PNG of 110 KB with {BOMB_SIDE_PX} x {BOMB_SIDE_PX} pixels is refused with 4xx, without decoding it.",
        "One such request takes gigabytes of memory, and the service with it.",
        DECIDED,
        _ask_bomb,
        _AFTER,
        is_hostile=True,
    ),
    Check(
        "hostile.bmp-header",
        "A BMP of some bytes that claims 2147483647 x 2147483647 pixels is refused with 4xx.",
        "A server that believes the header runs out of memory, or computes with numbers that overflow.",
        DECIDED,
        _ask_bmp_header,
        _AFTER,
        is_hostile=True,
    ),
)
