"""What a request says about its raw frame: in its query, its Content-Type or its headers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from handlers.decoding.limits import MAX_SIDE_PX
from handlers.decoding.raw import LAYOUTS, layout_bytes, padded, tight
from handlers.errors import InvalidParameterError, RawFrameError
from handlers.parsing.numbers import read_whole_number
from models.frame import PIXEL_FORMAT_NAMES, PixelFormat, RawLayout
from models.letterbox import Size
from models.repository.config import RawFrameConfig

T = TypeVar("T")

RAW_MEDIA_TYPE = "image/x-raw"
PARAMETER = re.compile(r';\s*+([^\s;="]++)\s*+=\s*+((?:\(\w++\)\s*+)?(?:"[^"]*+"|[^\s;"]*+))\s*+(?=;|$)')
STRIDES = re.compile(r"[0-9]{1,9}(,[0-9]{1,9}){0,2}")
CAPS_TYPE = re.compile(r"^\(\w+\)\s*")
"""The type that GStreamer writes before a value: width=(int)640."""

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
"""Names in GStreamer's caps that differ from the format's by more than case."""

NAMES: dict[str, PixelFormat] = {name: name for name in PIXEL_FORMAT_NAMES} | GSTREAMER_NAMES

PLACES = ("query parameter", "Content-Type's parameter", "header")
"""Where a request can describe its frame, by precedence."""

WIDTH = ("width", "width", "x-frame-width")
HEIGHT = ("height", "height", "x-frame-height")
PIXEL_FORMAT = ("pixelFormat", "format", "x-frame-pixel-format")
STRIDE = ("stride", "stride", "x-frame-stride")
"""The name of each value in each place."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a frame before its length; None: the request and the configuration do not say.

    `width`, `height`: in pixels. `strides_bytes`: from one row to the next, of all planes or of each.
    """

    width: int | None
    height: int | None
    pixel_format: PixelFormat | None
    strides_bytes: tuple[int, ...] | None

    def layout(self, length_bytes: int) -> RawLayout:
        """Return the layout of a body of this length.

        For a packed format one side is enough: the other follows from the length. Rows and planes are tight, or padded
        as GStreamer does if the length fits that. Raises RawFrameError if too little is known, and
        InvalidParameterError if the strides do not fit the format.
        """
        if self.pixel_format is None:
            raise RawFrameError(_missing("pixel format is not known"))
        size_wh = self._size(self.pixel_format, length_bytes)
        layouts = _candidates(self.pixel_format, size_wh, self.strides_bytes)
        return next((layout for layout in layouts if layout_bytes(layout) == length_bytes), layouts[0])

    def _size(self, pixel_format: PixelFormat, length_bytes: int) -> Size:
        if self.width is not None and self.height is not None:
            return self.width, self.height
        if len(LAYOUTS[pixel_format].planes) > 1 or (self.width is None and self.height is None):
            raise RawFrameError(_missing("width and height are not known"))
        sample_bytes = LAYOUTS[pixel_format].planes[0].sample_bytes
        if self.width is not None:
            strides = self.strides_bytes or tuple(_row_strides(pixel_format, self.width))
            return self.width, _whole_rows(length_bytes, strides)
        if self.strides_bytes:
            raise RawFrameError(_missing("width is not known, and does not follow from a stride"))
        height = self.height or 1
        return _whole_rows(length_bytes, (height * sample_bytes,)), height


def _row_strides(pixel_format: PixelFormat, width: int) -> list[int]:
    """Return the strides that rows of a packed format may have: tight, and padded if that differs."""
    strides = [layout(pixel_format, (width, 1)).strides_bytes[0] for layout in (tight, padded)]
    return list(dict.fromkeys(strides))


def _whole_rows(length_bytes: int, strides: tuple[int, ...]) -> int:
    """Return the number of rows in a body; raises RawFrameError unless exactly one of the strides fits its length."""
    counts = [length_bytes // stride for stride in strides if stride and length_bytes and length_bytes % stride == 0]
    if len(counts) != 1:
        raise RawFrameError(
            f"The other side of the raw frame does not follow from its {length_bytes} bytes: expected whole rows or "
            f"columns of {' or '.join(map(str, strides))} bytes; give both width and height."
        )
    return counts[0]


def _candidates(pixel_format: PixelFormat, size_wh: Size, strides: tuple[int, ...] | None) -> list[RawLayout]:
    """Return the layouts that a frame may have, the most likely first."""
    gstreamer = padded(pixel_format, size_wh)
    if strides is None:
        return [tight(pixel_format, size_wh), gstreamer]
    strided = _with_strides(pixel_format, size_wh, strides)
    if_same_strides = [gstreamer] if strides in {gstreamer.strides_bytes, gstreamer.strides_bytes[:1]} else []
    return [strided, replace(strided, padded_height=gstreamer.padded_height), *if_same_strides]


def _missing(fact: str) -> str:
    return (
        f"The raw frame's {fact}; expected the query parameters width, height and pixelFormat, "
        "for example ?width=640&height=480&pixelFormat=bgr24."
    )


def is_raw(content_type: str) -> bool:
    """Return whether a body of this type is a raw frame; its bytes do not show it."""
    return content_type.partition(";")[0].strip().lower() == RAW_MEDIA_TYPE


def describe(
    query: Mapping[str, str], content_type: str, headers: Mapping[str, str], defaults: RawFrameConfig
) -> Description:
    """Return what a request says about its raw frame, completed by the model's configuration.

    Configured strides belong to the configured width and pixel format: they count only if the request gives neither.

    Raises InvalidParameterError, which names the invalid value and its place.
    """
    places = (query, _parameters(content_type), headers)
    width, height = (_read(names, places, _side) for names in (WIDTH, HEIGHT))
    pixel_format: PixelFormat | None = _read(PIXEL_FORMAT, places, _pixel_format)
    strides = _read(STRIDE, places, _strides)
    if strides is None and width is None and pixel_format is None:
        strides = defaults.strides_bytes
    return Description(
        defaults.width if width is None else width,
        defaults.height if height is None else height,
        defaults.pixel_format if pixel_format is None else pixel_format,
        strides,
    )


def _parameters(content_type: str) -> dict[str, str]:
    """Return the parameters of a media type by lower-case name; raises InvalidParameterError for duplicates."""
    pairs = [(name.lower(), value) for name, value in PARAMETER.findall(content_type)]
    parameters = {name: CAPS_TYPE.sub("", value).strip('"') for name, value in pairs}
    if len(parameters) < len(pairs):
        raise InvalidParameterError("The Content-Type has a parameter twice: expected each once.")
    return parameters


def _read(names: tuple[str, ...], places: tuple[Mapping[str, str], ...], parse: Callable[[str], T | None]) -> T | None:
    """Return the value from the first place that has one, or None; raises InvalidParameterError.

    `names`: of the value in each place.
    """
    for place, name, values in zip(PLACES, names, places, strict=True):
        if name in values:
            value = parse(values[name])
            if value is None:
                raise InvalidParameterError(f"The {place} '{name}' is wrong: expected {EXPECTATIONS[parse]}.")
            return value
    return None


def _side(text: str) -> int | None:
    side = read_whole_number(text)
    return side if side is not None and 1 <= side <= MAX_SIDE_PX else None


def _pixel_format(text: str) -> PixelFormat | None:
    return NAMES.get(text.lower())


def _strides(text: str) -> tuple[int, ...] | None:
    return tuple(map(int, text.split(","))) if STRIDES.fullmatch(text) else None


EXPECTATIONS: dict[Callable[[str], object], str] = {
    _side: f"a whole number from 1 to {MAX_SIDE_PX}",
    _pixel_format: f"one of {', '.join(LAYOUTS)}",
    _strides: "the bytes from one row to the next, one number or one for each plane, separated by commas",
}


def _with_strides(pixel_format: PixelFormat, size_wh: Size, strides: tuple[int, ...]) -> RawLayout:
    """Return the layout with these strides; of a single stride, chroma planes have half."""
    planes = LAYOUTS[pixel_format].planes
    if len(strides) == 1:
        strides = tuple(-(-strides[0] // plane.subsampling) for plane in planes)
    min_strides = tuple(plane.size(size_wh)[0] for plane in planes)
    if len(strides) != len(planes) or any(stride < row for stride, row in zip(strides, min_strides, strict=True)):
        raise InvalidParameterError(
            f"The stride does not fit: expected one number of at least {min_strides[0]} bytes"
            + (f", or {len(planes)} of at least {', '.join(map(str, min_strides))}." if len(planes) > 1 else ".")
        )
    return RawLayout(pixel_format, size_wh, strides, size_wh[1])
