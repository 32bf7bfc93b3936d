"""Bodies of requests as pixels."""

import io
import warnings
from collections.abc import Callable, Collection, Mapping
from email.message import Message

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from tests.support.seeded.raw import ORDERS, PIXEL_FORMATS, length, read_raw

MAX_PIXELS, MAX_ASPECT = 40_000_000, 1000
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/bmp": "BMP"}
UNDECODABLE = "The frame cannot be decoded."

CRASHES: dict[str, Callable[[Image.Image], bool]] = {
    "jpeg-grey": lambda image: image.mode == "L" and image.format == "JPEG",
    "one-pixel-500": lambda image: image.size == (1, 1),
    "png-alpha": lambda image: image.mode == "RGBA",
    "png-grey": lambda image: image.mode == "L" and image.format == "PNG",
    "thin-500": lambda image: max(image.size) > MAX_ASPECT * min(image.size),
}
"""Mistakes that make a picture an error of the server, and which."""
REFUSED_FORMATS = {"png-refused": "PNG", "bmp-refused": "BMP"}


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
    if not _is_possible(media_type, mistakes):
        if "text-500" in mistakes and media_type == "text/plain":
            raise RuntimeError("no reader for text/plain")
        raise FrameError("The media type is none of image/jpeg, image/png, image/bmp and image/x-raw.", 415)
    formats = [FORMATS.get(media_type, "JPEG")] if "label-trusted" in mistakes else list(FORMATS.values())
    refused = {REFUSED_FORMATS.get(mistake) for mistake in mistakes}
    return _decoded(body, [each for each in formats if each not in refused], mistakes)


def _is_possible(media_type: str, mistakes: Collection[str]) -> bool:
    if "wants-form" in mistakes:
        return media_type == "multipart/form-data"
    if "strict-labels" in mistakes and media_type:
        return media_type in FORMATS
    if not media_type:
        return "label-required" not in mistakes
    return media_type.startswith(("image/", "application/octet-stream"))


def _decoded(body: bytes, formats: list[str], mistakes: Collection[str]) -> NDArray[np.uint8]:
    if _is_fatal(body, mistakes):
        raise RuntimeError("cannot decode")
    try:
        image = _opened(body, formats)
        image.load()
    except Image.DecompressionBombError as error:
        if ("header-believed" if body.startswith(b"BM") else "unbounded-pixels") in mistakes:
            raise RuntimeError("out of memory") from error
        raise FrameError("The picture has too many pixels.", 413) from error
    except (OSError, ValueError, SyntaxError) as error:
        if "undecodable-500" in mistakes or ("truncated-500" in mistakes and len(body) > 1000):
            raise RuntimeError("cannot decode") from error
        raise FrameError(UNDECODABLE) from error
    _check_picture(image, mistakes)
    return np.asarray(image.convert("RGB"))


def _opened(body: bytes, formats: list[str]) -> Image.Image:
    image = Image.open(io.BytesIO(body), formats=formats)
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    return image


def _check_picture(image: Image.Image, mistakes: Collection[str]) -> None:
    if any(crashes(image) for mistake, crashes in CRASHES.items() if mistake in mistakes):
        raise RuntimeError("expected another picture")
    if "demands-one-size" in mistakes and image.size != (416, 416):
        raise FrameError("The frame must have 416 x 416 pixels.")


def _is_fatal(body: bytes, mistakes: Collection[str]) -> bool:
    is_from_the_top = body.startswith(b"BM") and int.from_bytes(body[22:26], "little", signed=True) < 0
    return ("empty-500" in mistakes and not body) or ("bmp-top-500" in mistakes and is_from_the_top)


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
