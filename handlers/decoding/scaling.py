"""From all pixels of a picture to the model's, by one antialiased bilinear convolution.

The convolution is Pillow's, to one grey level for each pass, in the vector code of cykooz-resizer, which does not hold
the interpreter's lock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from cykooz_resizer import CropBox, FilterType, ResizeAlg, ResizeOptions, Resizer
from PIL import Image

from models.boxes import BoxXyxy
from models.frame import ChannelOrder, DecodeTarget, Frame, Pixels, as_image, contiguous_rows, region_px
from models.letterbox import Letterbox, Size

BILINEAR = ResizeAlg.convolution(FilterType.bilinear)
COEFFICIENTS_BYTES = 8 << 20
"""More than the resizer takes beside both images: 7 MiB to make 65534 rows of 65535."""
BAND_ROWS = 64
"""Converted at a time: this keeps intermediate arrays small."""


def bands(height: int) -> Iterator[slice]:
    """Yield the slices that cut `height` rows into bands, top to bottom; the last one may be shorter."""
    return (slice(top, top + BAND_ROWS) for top in range(0, height, BAND_ROWS))


PictureMode: TypeAlias = Literal["RGB", "L"]
"""Of Pillow."""


class Scaler(Protocol):
    """Brings pictures to the size that the model needs. Immutable, for several threads at once."""

    @property
    def target(self) -> DecodeTarget | None:
        """Return the size and part of the picture that the model needs; None: all pixels stay as they are."""
        ...

    @property
    def mode(self) -> PictureMode:
        """Return what codecs that can decode less than the whole picture should decode: its colours, or luma."""
        ...

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame of uint8 pixels [H, W, channels], any view."""
        ...

    def image(self, image: Image.Image, extent_wh: tuple[float, float], letterbox: Letterbox) -> Image.Image:
        """Return the part of an L or RGB image that the letterbox shows, at the letterbox's size.

        `extent_wh`: the columns and rows that belong to the picture; of the last ones perhaps only a share does.
        """
        ...


def letterbox_of(scaler: Scaler, size_wh: Size) -> Letterbox:
    """Return where the scaler places a picture of that size, in pixels."""
    return scaler.target.letterbox(size_wh) if scaler.target else Letterbox(size_wh, size_wh)


@dataclass(frozen=True, slots=True)
class Unscaled:
    """Keeps all pixels."""

    target: DecodeTarget | None = None
    mode: PictureMode = "RGB"

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame, a view of the pixels."""
        return Frame(pixels_hwc, channel_order, _size_wh(pixels_hwc))

    def image(
        self,
        image: Image.Image,
        extent_wh: tuple[float, float],  # noqa: ARG002
        letterbox: Letterbox,  # noqa: ARG002
    ) -> Image.Image:
        """Return the image."""
        return image


@dataclass(frozen=True, slots=True)
class Convolution:
    """Makes each pixel of all pixels that it covers."""

    target: DecodeTarget
    mode: PictureMode = "RGB"

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame at the target's size.

        The vertical pass treats all channels alike, so it runs on the layout of the body, as one grey image.
        """
        size_wh = _size_wh(pixels_hwc)
        letterbox = self.target.letterbox(size_wh)
        box_xyxy = region_px(letterbox, size_wh, size_wh)
        if _vertical_first(size_wh, letterbox.size_wh):
            samples = _vertical_pass(_samples(pixels_hwc), letterbox.size_wh[1], box_xyxy)
            rows_hwc = np.asarray(samples).reshape(samples.height, *pixels_hwc.shape[1:])
            image = _horizontal_pass(as_image(rows_hwc, channel_order), letterbox.size_wh[0], box_xyxy)
        else:
            image = _convolved(as_image(pixels_hwc, channel_order), letterbox.size_wh, box_xyxy)
        return Frame(np.asarray(image), "rgb", size_wh, letterbox.region_xyxy)

    def image(self, image: Image.Image, extent_wh: tuple[float, float], letterbox: Letterbox) -> Image.Image:
        """Return the part of an L or RGB image that the letterbox shows, at the letterbox's size."""
        return _convolved(image, letterbox.size_wh, region_px(letterbox, extent_wh, image.size))


def _vertical_first(size_wh: Size, needed_wh: Size) -> bool:
    """Return whether the vertical pass comes first: always, unless it would add rows."""
    return needed_wh[1] <= size_wh[1]


def _samples(pixels_hwc: Pixels) -> Image.Image:
    """Return uint8 [H, W, channels] pixels as a grey image of W x channels columns: a view where their rows touch."""
    rows, orientation = contiguous_rows(pixels_hwc)
    return Image.frombuffer("L", (rows[0].size, len(rows)), rows, "raw", "L", 0, orientation)


def _convolved(image: Image.Image, size_wh: Size, box_xyxy: BoxXyxy) -> Image.Image:
    """Return the box, in pixels, of an L or RGB image at another size."""
    width, height = size_wh
    if _vertical_first(image.size, size_wh):
        return _horizontal_pass(_vertical_pass(image, height, box_xyxy), width, box_xyxy)
    return _vertical_pass(_horizontal_pass(image, width, box_xyxy), height, box_xyxy)


def _vertical_pass(image: Image.Image, height: int, box_xyxy: BoxXyxy) -> Image.Image:
    """Return the rows of the box, in pixels, as `height` rows of all columns."""
    _, top, _, bottom = box_xyxy
    return _resized(image, (image.width, height), CropBox(0, top, image.width, bottom - top))


def _horizontal_pass(image: Image.Image, width: int, box_xyxy: BoxXyxy) -> Image.Image:
    """Return the columns of the box, in pixels, as `width` columns of all rows."""
    left, _, right, _ = box_xyxy
    return _resized(image, (width, image.height), CropBox(left, 0, right - left, image.height))


def _resized(image: Image.Image, size_wh: Size, box: CropBox) -> Image.Image:
    resized = Image.new(image.mode, size_wh)
    np.empty(COEFFICIENTS_BYTES, np.uint8)  # raises MemoryError under a limit; the resizer would end the process
    Resizer().resize_pil(image, resized, ResizeOptions(BILINEAR, crop_box=box))
    return resized


def _size_wh(pixels_hwc: Pixels) -> Size:
    return pixels_hwc.shape[1], pixels_hwc.shape[0]
