"""Pictures that lie on their side or on their head, or are mirrored: turned as their EXIF orientation says."""

from dataclasses import dataclass, replace

import numpy as np

from handlers.decoding.scaling import bands
from models.frame import DecodeTarget, Frame, Pixels
from models.letterbox import Size


@dataclass(frozen=True, slots=True)
class Turn:
    """What makes a picture upright: rows and columns change places, and then their order is reversed.

    Every way of fitting a picture to a canvas takes its middle and treats width and height alike. So a picture can be
    scaled as it is stored, for a canvas that lies on its side, and then be turned, which is far fewer pixels.
    """

    transposed: bool = False
    reversed_columns: bool = False
    reversed_rows: bool = False

    def size(self, size_wh: Size) -> Size:
        """Return the upright size of a picture of this stored size, or the stored size of an upright one."""
        return size_wh[::-1] if self.transposed else size_wh

    def target(self, target: DecodeTarget) -> DecodeTarget:
        """Return the target for the stored picture of a target for the upright one."""
        return replace(target, size_wh=self.size(target.size_wh))

    def frame(self, stored: Frame) -> Frame:
        """Return the upright frame."""
        if self == AS_STORED:
            return stored
        left, top, right, bottom = stored.region_xyxy
        region_xyxy = (top, left, bottom, right) if self.transposed else stored.region_xyxy  # of the middle
        pixels_hwc = self.pixels(stored.pixels_hwc)
        return Frame(pixels_hwc, stored.channel_order, self.size(stored.source_size_wh), region_xyxy)

    def pixels(self, stored: Pixels) -> Pixels:
        """Return upright pixels [H, W] or [H, W, channels], C-contiguous if anything is turned."""
        if self == AS_STORED:
            return stored
        view = stored.swapaxes(0, 1) if self.transposed else stored
        view = view[:: -1 if self.reversed_rows else 1, :: -1 if self.reversed_columns else 1]
        upright = np.empty(view.shape, view.dtype)
        for rows in bands(len(upright)):  # columns side by side share lines of the cache
            upright[rows] = view[rows]
        return upright


AS_STORED = Turn()
TURNS = {
    1: AS_STORED,
    2: Turn(reversed_columns=True),
    3: Turn(reversed_columns=True, reversed_rows=True),
    4: Turn(reversed_rows=True),
    5: Turn(transposed=True),
    6: Turn(transposed=True, reversed_columns=True),
    7: Turn(transposed=True, reversed_columns=True, reversed_rows=True),
    8: Turn(transposed=True, reversed_rows=True),
}
"""By EXIF orientation (CIPA DC-008, 4.6.4: where row 0 and column 0 of what is stored belong)."""
