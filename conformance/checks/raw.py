"""Frames of raw pixels. The protocol names the type; how the size and the format travel, it does not say."""

from typing import NamedTuple

from PIL import Image

from conformance.asking.messages import Answer, Headers
from conformance.likeness import Tolerance, difference, items
from conformance.pictures.encoding import png
from conformance.pictures.raw import LOSSLESS, MEDIA_TYPE, PIXEL_FORMATS, raw
from conformance.subject import Subject
from conformance.verdicts import DECIDED, Check, Finding, cannot_tell, passed, wrong

EXACT = Tolerance(iou=0.95, confidence=0.01)
LOSSY = Tolerance(iou=0.6, confidence=0.25, weak=0.7)
"""565 and 555 lose three bits of colours, yuv420p half of their places; weak results may come and go."""
NOTHING = "the server found nothing that can be compared"


class Description(NamedTuple):
    """The size and the format of a frame, in one of the places where a server may look for them."""

    place: str
    media_type: str = MEDIA_TYPE
    query: str = ""
    headers: Headers = ()


def _descriptions(image: Image.Image, pixel_format: str) -> tuple[Description, ...]:
    width, height = image.size
    inside = f"; format={pixel_format}; width={width}; height={height}"
    headers = (
        ("x-frame-width", str(width)),
        ("x-frame-height", str(height)),
        ("x-frame-pixel-format", pixel_format),
    )
    return (
        Description("the query", query=f"width={width}&height={height}&pixelFormat={pixel_format}"),
        Description("the media type", media_type=f"{MEDIA_TYPE}{inside}"),
        Description("headers", headers=headers),
    )


def _post(subject: Subject, body: bytes, description: Description) -> Answer:
    return subject.server.post(body, description.media_type, description.headers, description.query)


def _image(subject: Subject) -> Image.Image:
    """Return the photo in which the server is surest of something."""
    return max(subject.exact, key=lambda seen: _surest(seen.answer)).photo.image


def _surest(answer: Answer) -> float:
    return max((item.confidence for item in items(answer)), default=-1)


def _place(subject: Subject) -> str:
    """Return the place where the server looks for the description."""
    image, good = _image(subject), ""
    body = raw(image, "bgr24")
    for each in _descriptions(image, "bgr24"):
        answer = _post(subject, body, each)
        if items(answer):
            return each.place
        good = good or (each.place if answer.is_good else "")
    return good


def _ask_accepted(subject: Subject) -> Finding:
    image = subject.photos[0].image
    body = raw(image, "bgr24")
    answers = {each.place: _post(subject, body, each) for each in _descriptions(image, "bgr24")}
    places = [place for place, answer in answers.items() if answer.is_good]
    if places:
        return passed(f"width, height and format are read from {', '.join(places)}")
    return wrong("; ".join(f"in {place}: {answer.summary}" for place, answer in answers.items()))


def _ask_channels(subject: Subject) -> Finding:
    return _compared(subject, ("rgb24", "bgr24"))


def _ask_formats(subject: Subject) -> Finding:
    return _compared(subject, PIXEL_FORMATS)


def _compared(subject: Subject, pixel_formats: tuple[str, ...]) -> Finding:
    image, place = _image(subject), _place(subject)
    if not place:
        return cannot_tell("raw pixels were not answered this time")
    expected = subject.server.post(png(image), "image/png")
    if not items(expected):
        return cannot_tell(NOTHING)
    faults = []
    for pixel_format in pixel_formats:
        answer = _post(subject, raw(image, pixel_format), _in(place, image, pixel_format))
        if not answer.is_good:
            faults.append(f"{pixel_format}: {answer.summary}")
        elif changed := difference(expected, answer, EXACT if pixel_format in LOSSLESS else LOSSY):
            faults.append(f"{pixel_format}: {changed}")
    if not faults:
        return passed(f"as the same picture as PNG: {', '.join(pixel_formats)}")
    return wrong(f"unlike the same picture as PNG: {'; '.join(faults)}")


def _ask_length(subject: Subject) -> Finding:
    image, place = _image(subject), _place(subject)
    if not place:
        return cannot_tell("raw pixels were not answered this time")
    body = raw(image, "bgr24")
    description = _in(place, image, "bgr24")
    for wrong_body, what in ((body[:-1], "one byte too few"), (body + b"\0", "one byte too many")):
        answer = _post(subject, wrong_body, description)
        if not 400 <= answer.status < 500:  # noqa: PLR2004
            return wrong(f"{what} was answered {answer.summary}")
    return passed()


def _in(place: str, image: Image.Image, pixel_format: str) -> Description:
    return next(each for each in _descriptions(image, pixel_format) if each.place == place)


CHECKS = (
    Check(
        "raw.accepted",
        "Raw pixels are answered if the request gives width, height and format.",
        "image/x-raw is one of the four types that the client may send.",
        DECIDED,
        _ask_accepted,
    ),
    Check(
        "raw.channels",
        "rgb24 and bgr24 get the results of the same picture as PNG.",
        "Red and blue are exchanged, and results get worse without an error.",
        DECIDED,
        _ask_channels,
        after=("raw.accepted", "answers.own-frame"),
    ),
    Check(
        "raw.formats",
        "All eleven pixel formats of the protocol are understood.",
        "Users choose the format that their cameras give.",
        DECIDED,
        _ask_formats,
        after=("raw.channels", "state.options"),
    ),
    Check(
        "raw.length",
        "Raw pixels of another length than their description says are refused with 4xx.",
        "Rows are displaced, and results are those of a picture that nobody took.",
        DECIDED,
        _ask_length,
        after=("raw.accepted",),
    ),
)
