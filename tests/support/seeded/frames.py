"""Bodies of requests as pixels."""

import io
import warnings
from collections.abc import Collection, Mapping
from email.message import Message

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

MAX_PIXELS = 40_000_000
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/bmp": "BMP"}
ORDERS = {
    "rgb24": (0, 1, 2),
    "bgr24": (2, 1, 0),
    "rgba": (0, 1, 2),
    "bgra": (2, 1, 0),
    "argb": (1, 2, 3),
    "abgr": (3, 2, 1),
}
"""The places of red, green and blue in a pixel."""


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
    message = Message()
    message["content-type"] = content_type
    given = {name.lower(): value for name, value in (*(message.get_params() or [])[1:], *query.items())}
    pixel_format = given.get("pixelformat", given.get("format", "bgr24")).lower()
    if pixel_format not in ORDERS or not {"width", "height"} <= given.keys():
        raise FrameError("Raw pixels need width, height and a format of 24 or 32 bits.")
    width, height, channels = int(given["width"]), int(given["height"]), 4 if "a" in pixel_format else 3
    expected = width * height * channels
    if len(body) != expected and not ("raw-length" in mistakes and len(body) > expected):
        raise FrameError(f"Expected {expected} bytes, got {len(body)}.")
    pixels = np.frombuffer(body[:expected], np.uint8).reshape(height, width, channels)
    order = (0, 1, 2) if "raw-bgr" in mistakes else ORDERS[pixel_format]
    return pixels[..., list(order)]


ImageFile.LOAD_TRUNCATED_IMAGES = False
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
