"""Bodies of requests as pixels."""

import io
import warnings
from collections.abc import Collection, Mapping
from email.message import Message

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from tests.support.seeded.raw import ORDERS, PIXEL_FORMATS, length, read_raw

MAX_PIXELS = 40_000_000
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/bmp": "BMP"}


class FrameError(Exception):
    """A frame that cannot be understood."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


def pixels_of(
    body: bytes, content_type: str | None, query: Mapping[str, str], mistakes: Collection[str]
) -> NDArray[np.uint8]:
    """Return the pixels of a frame, HWC RGB. Raises FrameError, and others if mistakes say so."""
    media_type = (content_type or "").partition(";")[0].strip()
    media_type = media_type if "media-type-case" in mistakes else media_type.lower()
    if media_type == "image/x-raw":
        return _raw(body, content_type or "", query, mistakes)
    if media_type and not media_type.startswith(("image/", "application/octet-stream")):
        raise FrameError("The media type is none of image/jpeg, image/png, image/bmp and image/x-raw.", 415)
    formats = [FORMATS.get(media_type, "JPEG")] if "label-trusted" in mistakes else list(FORMATS.values())
    return _decoded(body, formats, mistakes)


def _decoded(body: bytes, formats: list[str], mistakes: Collection[str]) -> NDArray[np.uint8]:
    try:
        image = Image.open(io.BytesIO(body), formats=formats)
        if image.width * image.height > MAX_PIXELS and "unbounded-pixels" not in mistakes:
            raise FrameError("The picture has too many pixels.", 413)
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if "undecodable-500" in mistakes or ("truncated-answered" in mistakes and len(body) > 1000):
            raise RuntimeError("cannot decode") from error
        raise FrameError("The frame cannot be decoded.") from error
    if (image.mode == "RGBA" and "png-alpha" in mistakes) or (image.mode == "L" and "png-grey" in mistakes):
        raise RuntimeError("expected three channels")
    if "demands-one-size" in mistakes and image.size != (416, 416):
        raise FrameError("The frame must have 416 x 416 pixels.")
    return np.asarray(image.convert("RGB"))


def _raw(body: bytes, content_type: str, query: Mapping[str, str], mistakes: Collection[str]) -> NDArray[np.uint8]:
    if "raw-refused" in mistakes:
        raise FrameError("The media type is none of image/jpeg, image/png and image/bmp.", 415)
    message = Message()
    message["content-type"] = content_type
    given = {name.lower(): value for name, value in (*(message.get_params() or [])[1:], *query.items())}
    pixel_format = given.get("pixelformat", given.get("format", "bgr24")).lower()
    known = tuple(ORDERS) if "raw-few-formats" in mistakes else PIXEL_FORMATS
    if pixel_format not in known or not {"width", "height"} <= given.keys():
        raise FrameError("Raw pixels need width, height and a format.")
    size = (int(given["width"]), int(given["height"]))
    expected = length(pixel_format, size)
    if len(body) < expected and "raw-truncated" in mistakes:
        raise RuntimeError("expected more bytes")
    if len(body) != expected and not ("raw-length" in mistakes and len(body) > expected):
        raise FrameError(f"Expected {expected} bytes, got {len(body)}.")
    return read_raw(
        body[:expected], "rgb24" if "raw-bgr" in mistakes and pixel_format == "bgr24" else pixel_format, size
    )


ImageFile.LOAD_TRUNCATED_IMAGES = False
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
