"""Pictures as the bodies of requests."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from player.flow import Picture, PixelFormat, SizeWh
from player.nodes.protocol.scaling import Placement, Scale

FormatName: TypeAlias = Literal["bmp", "jpeg", "png", "raw"]
Pixels: TypeAlias = NDArray[np.uint8]
"""[rows, columns, bytes of a pixel]."""

PNG_LEVEL = 1
"""Of compression: higher ones take several times as long, and save little."""


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """How a picture is encoded. `quality`: of JPEG, 0..100. `pixel_format`: of raw pictures."""

    name: FormatName = "bmp"
    quality: int = 90
    pixel_format: PixelFormat = "rgb24"


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What an extension gets to see, as `image` of a topology says."""

    scale: Scale = field(default_factory=Scale)
    format: ImageFormat = field(default_factory=ImageFormat)


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request. `placement`: where the picture lies on what it shows."""

    media_type: str
    content: bytes
    placement: Placement


@dataclass(frozen=True, slots=True)
class _Plane:
    """One plane of a pixel format. `black`: the bytes of a black pixel. `step`: pixels each way that share a sample."""

    black: bytes
    step: int = 1


PLANES: dict[PixelFormat, tuple[_Plane, ...]] = {
    "yuv420p": (_Plane(b"\x10"), _Plane(b"\x80", step=2), _Plane(b"\x80", step=2)),  # limited range
    "rgb565be": (_Plane(bytes(2)),),
    "rgb565le": (_Plane(bytes(2)),),
    "rgb555be": (_Plane(bytes(2)),),
    "rgb555le": (_Plane(bytes(2)),),
    "rgb24": (_Plane(bytes(3)),),
    "bgr24": (_Plane(bytes(3)),),
    "argb": (_Plane(b"\xff\0\0\0"),),
    "rgba": (_Plane(b"\0\0\0\xff"),),
    "abgr": (_Plane(b"\xff\0\0\0"),),
    "bgra": (_Plane(b"\0\0\0\xff"),),
}


def encode(picture: Picture, settings: ImageSettings) -> Body:
    """Return a picture scaled and encoded."""
    form = settings.format
    if form.name == "raw":
        placement, content = _pixels(picture, settings.scale, form.pixel_format)
        width, height = placement.canvas_wh
        return Body(f"image/x-raw; format={form.pixel_format}; width={width}; height={height}", content, placement)
    placement, content = _pixels(picture, settings.scale, "rgb24")
    return Body(f"image/{form.name}", _saved(Image.frombytes("RGB", placement.canvas_wh, content), form), placement)


def _saved(image: Image.Image, form: ImageFormat) -> bytes:
    """Return a file: a BMP of 24 bits, a JPEG of 4:2:0, or a PNG."""
    content = io.BytesIO()
    if form.name == "jpeg":
        image.save(content, "JPEG", quality=max(1, form.quality), subsampling="4:2:0")  # to Pillow, 0 is the default
    elif form.name == "png":
        image.save(content, "PNG", compress_level=PNG_LEVEL)
    else:
        image.save(content, "BMP")
    return content.getvalue()


def _pixels(picture: Picture, scale: Scale, pixel_format: PixelFormat) -> tuple[Placement, bytes]:
    """Return where the picture lies, and the pixels of the canvas, without padding between rows."""
    planes = PLANES[pixel_format]
    placement = scale.placed(picture.size_wh, max(plane.step for plane in planes))
    content = picture.pixels(pixel_format, placement.picture_wh)
    if placement.has_padding:
        content = b"".join(_padded(content, planes, placement))
    return placement, content


def _padded(content: bytes, planes: Sequence[_Plane], placement: Placement) -> list[bytes]:
    """Return the planes of the canvas, black around the picture."""
    padded, start = [], 0
    for plane in planes:
        canvas = _blank(plane, placement.canvas_wh)
        rows, columns, sample_bytes = _shape(plane, placement.picture_wh)
        left, top = (offset // plane.step for offset in placement.offset_xy)
        part = np.frombuffer(content, np.uint8, rows * columns * sample_bytes, start)
        canvas[top : top + rows, left : left + columns] = part.reshape(rows, columns, sample_bytes)
        start += part.size
        padded.append(canvas.tobytes())
    return padded


def _blank(plane: _Plane, size_wh: SizeWh) -> Pixels:
    return np.full(_shape(plane, size_wh), np.frombuffer(plane.black, np.uint8), np.uint8)


def _shape(plane: _Plane, size_wh: SizeWh) -> tuple[int, int, int]:
    width, height = (-(-side // plane.step) for side in size_wh)
    return height, width, len(plane.black)
