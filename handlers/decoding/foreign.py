"""Bodies that are no picture of ours: what they look like, and what to send instead."""

import re
from dataclasses import dataclass

from models.frame import Body

HEAD_BYTES = 256
"""Of a body that are looked at."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of body, in words. `advice`: what to send instead; None: a picture in one of our formats."""

    name: str
    begins: re.Pattern[bytes]
    advice: str | None = None


def _kind(name: str, begins: bytes, advice: str | None = None) -> Kind:
    return Kind(name, re.compile(begins, re.DOTALL | re.IGNORECASE), advice)


BYTES = "Send the bytes of the picture themselves as the body."
STILLS = "Send single pictures of it."
KINDS = (
    _kind(
        "a form",
        rb"(?:\r\n)?--[^\r\n]{1,70}\r\ncontent-",
        "Send the picture alone as the body, or the form to /v1/vision/detection.",
    ),
    _kind("a GIF picture", rb"GIF8[79]a"),
    _kind("an AVIF picture", rb"....ftypavi[fs]"),
    _kind("a HEIC picture", rb"....ftyp(?:he[iv]|m[is]f1)"),
    _kind("a JPEG XL picture", rb"\xff\x0a|\0\0\0\x0cJXL "),
    _kind("a JPEG 2000 picture", rb"\0\0\0\x0cjP {2}|\xff\x4f\xff\x51"),
    _kind("a TIFF picture", rb"II\x2a\0|MM\0\x2a"),
    _kind("an SVG picture", rb"\s*(?:<\?xml[^>]*>\s*)?<svg"),
    _kind("H.264 or H.265 video", rb"\0\0\0?\x01[\x01-\x7f]", STILLS),
    _kind("MP4 video", rb"....(?:ftyp|moov|mdat|moof)", STILLS),
    _kind("Matroska or WebM video", rb"\x1a\x45\xdf\xa3", STILLS),
    _kind("AVI video", rb"RIFF....AVI ", STILLS),
    _kind("MPEG-TS video", rb"G.{187}G", STILLS),
    _kind("FLV video", rb"FLV\x01", STILLS),
    _kind("a PDF document", rb"%PDF-"),
    _kind("a compressed file", rb"\x1f\x8b\x08|PK\x03\x04|\x28\xb5\x2f\xfd", BYTES),
    _kind("a NumPy array", rb"\x93NUMPY"),
    _kind("HTML", rb"\s*<(?:!doctype|html|head|body)"),
    _kind("XML", rb"\s*<[?a-z]", BYTES),
    _kind("JSON", rb"\s*(?:\[|\{\s*[\"}])", BYTES),
    _kind("base64", rb"data:image/|/9j/|iVBORw0KGgo|UklGR|Qk[0-3][a-z0-9+/]{20}", BYTES),
    _kind("the fields of a form", rb"[\w%.+-]{1,64}=", BYTES),
    _kind("text", rb"[\t\n\r\x20-\x7e]{8}", BYTES),
)
"""The first that fits counts. Signatures are those of the formats' specifications."""


def kind_of(body: Body) -> Kind | None:
    """Return the first kind that fits a body."""
    head = bytes(body[:HEAD_BYTES])
    return next((kind for kind in KINDS if kind.begins.match(head)), None)


def refusal(body: Body, formats: str) -> str:
    """Return the sentence that says what a body is instead of a picture in one of `formats`, which are ours, in words.

    It never quotes the body.
    """
    kind = kind_of(body)
    if kind is None:
        return f"This is not a {formats} picture: the bytes decide, not the Content-Type."
    return f"This is not a {formats} picture; it looks like {kind.name}. {kind.advice or f'Send {formats}.'}"
