"""What a request says of its raw frame, from wherever it says it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from handlers.decoding.raw import LAYOUTS, RawFrame, padded, tight
from handlers.errors import InvalidParameterError, RawFrameError
from models.frame import PIXEL_FORMAT_NAMES, PixelFormat
from models.runtime.repository import RawFrameConfig

T = TypeVar("T")

MEDIA_TYPE = "image/x-raw"
MAX_SIDE_PX = 65535
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
CAPS_TYPE = re.compile(r"\(\w+\)\s*")
"""The type that GStreamer writes in front of a value: width=(int)640."""

GSTREAMER_NAMES: dict[str, PixelFormat] = {
    "i420": "yuv420p",
    "rgb": "rgb24",
    "bgr": "bgr24",
    "rgbx": "rgba",
    "bgrx": "bgra",
    "xrgb": "argb",
    "xbgr": "abgr",
    "rgb16": "rgb565le",
    "rgb15": "rgb555le",
}
"""What GStreamer's caps call a format, where it is not the same name but for the case."""


PLACES = ("query parameter", "Content-Type's parameter", "header")
"""Where a request can describe its frame; the first place that has a value wins."""

WIDTH = ("width", "width", "x-frame-width")
HEIGHT = ("height", "height", "x-frame-height")
PIXEL_FORMAT = ("pixelFormat", "format", "x-frame-pixel-format")
STRIDE = ("stride", "stride", "x-frame-stride")
"""What each value is called in each place."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a frame before its length is; None: nothing was said."""

    width: int | None
    height: int | None
    pixel_format: PixelFormat | None
    strides_bytes: tuple[int, ...] | None

    def layout(self, length_bytes: int) -> RawFrame:
        """Return the layout of a body of this length.

        Of a packed format one side is enough, the other follows from the length. Without a stride, the length tells
        whether the rows are tight or padded to four bytes. Raises RawFrameError when too little is known, and
        InvalidParameterError when the strides do not fit the format.
        """
        if self.pixel_format is None:
            raise RawFrameError(_missing("pixel format"))
        size_wh = self._size(self.pixel_format, length_bytes)
        if self.strides_bytes is None:
            padded_frame = padded(self.pixel_format, size_wh)
            return padded_frame if padded_frame.length_bytes == length_bytes else tight(self.pixel_format, size_wh)
        return _with_strides(self.pixel_format, size_wh, self.strides_bytes)

    def _size(self, pixel_format: PixelFormat, length_bytes: int) -> tuple[int, int]:
        if self.width is not None and self.height is not None:
            return self.width, self.height
        sample_bytes = LAYOUTS[pixel_format].planes[0].sample_bytes
        packed = len(LAYOUTS[pixel_format].planes) == 1 and length_bytes > 0
        if packed and self.width is not None:
            row_bytes = self.strides_bytes[0] if self.strides_bytes else self.width * sample_bytes
            if row_bytes > 0 and length_bytes % row_bytes == 0:
                return self.width, length_bytes // row_bytes
        if packed and self.height is not None and not self.strides_bytes:
            column_bytes = self.height * sample_bytes
            if length_bytes % column_bytes == 0:
                return length_bytes // column_bytes, self.height
        raise RawFrameError(_missing("width and height"))


def _missing(what: str) -> str:
    return (
        f"The raw frame's {what} cannot be told; expected the query parameters width, height and pixelFormat, "
        f"for example ?width=640&height=480&pixelFormat=bgr24."
    )


def is_raw(content_type: str) -> bool:
    """Tell whether a body of this type is a raw frame; nothing in the body itself could tell."""
    return content_type.partition(";")[0].strip().lower() == MEDIA_TYPE


def describe(
    query: Mapping[str, str], content_type: str, headers: Mapping[str, str], defaults: RawFrameConfig
) -> Description:
    """Collect what a request says; what it leaves out is as the model's configuration says.

    Raises InvalidParameterError, which names the value that is wrong and its place.
    """
    said = (query, _parameters(content_type), headers)
    width, height = (_read(names, said, _side) for names in (WIDTH, HEIGHT))
    pixel_format: PixelFormat | None = _read(PIXEL_FORMAT, said, _pixel_format)
    strides = _read(STRIDE, said, _strides)
    return Description(
        defaults.width if width is None else width,
        defaults.height if height is None else height,
        defaults.pixel_format if pixel_format is None else pixel_format,
        defaults.strides_bytes if strides is None else strides,
    )


def _parameters(content_type: str) -> dict[str, str]:
    """Return the parameters of a media type by name, in lower case."""
    pairs = (parameter.partition("=") for parameter in content_type.split(";")[1:])
    return {name.strip().lower(): CAPS_TYPE.sub("", value.strip().strip('"')) for name, _, value in pairs}


def _read(names: tuple[str, ...], said: tuple[Mapping[str, str], ...], parse: Callable[[str], T | None]) -> T | None:
    """Return the first of the values of these names, or None; raises InvalidParameterError."""
    for place, name, values in zip(PLACES, names, said, strict=True):
        if name in values:
            value = parse(values[name])
            if value is None:
                raise InvalidParameterError(f"The {place} '{name}' is wrong: expected {EXPECTATIONS[parse]}.")
            return value
    return None


def _side(text: str) -> int | None:
    return int(text) if WHOLE_NUMBER.fullmatch(text) and 1 <= int(text) <= MAX_SIDE_PX else None


def _pixel_format(text: str) -> PixelFormat | None:
    name = text.lower()
    return next((known for known in PIXEL_FORMAT_NAMES if known == name), GSTREAMER_NAMES.get(name))


def _strides(text: str) -> tuple[int, ...] | None:
    numbers = text.split(",")
    return tuple(map(int, numbers)) if all(map(WHOLE_NUMBER.fullmatch, numbers)) else None


EXPECTATIONS: dict[Callable[[str], object], str] = {
    _side: f"a whole number from 1 to {MAX_SIDE_PX}",
    _pixel_format: f"one of {', '.join(LAYOUTS)}",
    _strides: "the bytes of a row, for each plane, separated by commas",
}


def _with_strides(pixel_format: PixelFormat, size_wh: tuple[int, int], strides: tuple[int, ...]) -> RawFrame:
    """Return the layout with these strides; the chroma planes of one stride alone have half of it."""
    planes = LAYOUTS[pixel_format].planes
    if len(strides) == 1:
        strides = tuple(-(-strides[0] // plane.subsampling) for plane in planes)
    least = tuple(plane.size(size_wh)[0] for plane in planes)
    if len(strides) != len(planes) or any(stride < row for stride, row in zip(strides, least, strict=True)):
        raise InvalidParameterError(
            f"The stride does not fit: expected one number of at least {least[0]} bytes"
            + (f", or {len(planes)} of at least {', '.join(map(str, least))}." if len(planes) > 1 else ".")
        )
    return RawFrame(pixel_format, size_wh, strides, size_wh[1])
