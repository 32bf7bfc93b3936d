"""How a picture of any shape is brought onto a model's canvas, and the way back. Pure geometry."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from models.boxes import Floats

ResizeMode: TypeAlias = Literal["stretch", "letterbox", "letterbox_top_left", "centre_crop", "within"]
"""stretch: to the canvas, whatever the shape. letterbox: as large as it fits, in the middle; letterbox_top_left: at the
top left corner. centre_crop: the middle of the picture fills the canvas. within: the canvas takes the picture's shape,
scaled down until it fits and never up."""

Size: TypeAlias = tuple[int, int]

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies on a canvas.

    `canvas_wh`: the canvas, in pixels. `size_wh` and `offset_xy`: the rectangle on it that shows the picture.
    `region_xyxy`: the part of the picture that is shown there, each edge as a share of the picture's size.
    """

    canvas_wh: Size
    size_wh: Size
    offset_xy: tuple[int, int] = (0, 0)
    region_xyxy: tuple[float, float, float, float] = WHOLE

    @property
    def fills_the_canvas(self) -> bool:
        """Tell whether nothing of the canvas is left over."""
        return self.size_wh == self.canvas_wh

    @property
    def whole_wh(self) -> Size:
        """Return the size in pixels that all of the picture has at the scale of the canvas."""
        left, top, right, bottom = self.region_xyxy
        return round(self.size_wh[0] / (right - left)), round(self.size_wh[1] / (bottom - top))

    def to_picture(self, boxes_xyxy: Floats) -> Floats:
        """Turn boxes [N, 4] in pixels of the canvas into shares of the picture; they may lie outside 0..1."""
        left, top, right, bottom = self.region_xyxy
        step_xy = ((right - left) / self.size_wh[0], (bottom - top) / self.size_wh[1])
        start_xy = (left - self.offset_xy[0] * step_xy[0], top - self.offset_xy[1] * step_xy[1])
        return np.asarray(boxes_xyxy * np.array(step_xy * 2) + np.array(start_xy * 2), np.float32)

    def shares_to_picture(self, boxes_xyxy: Floats) -> Floats:
        """Turn boxes [N, 4] in shares of the canvas into shares of the picture; they may lie outside 0..1."""
        if self.fills_the_canvas and self.region_xyxy == WHOLE:
            return boxes_xyxy
        return self.to_picture(np.asarray(boxes_xyxy * np.array(self.canvas_wh * 2), np.float32))


def letterbox(source_wh: Size, canvas_wh: Size, mode: ResizeMode, crop_share: float = 1) -> Letterbox:
    """Return where a picture of `source_wh` pixels lies on the canvas.

    `crop_share`, for centre_crop: how much of the largest centred part of the canvas's shape is shown. Letterboxes are
    rounded as the YOLO exporters do it: the size to the nearest pixel, the offset down.
    """
    match mode:
        case "stretch":
            return Letterbox(canvas_wh, canvas_wh)
        case "centre_crop":
            return Letterbox(canvas_wh, canvas_wh, region_xyxy=_centre(source_wh, canvas_wh, crop_share))
        case "within":
            size_wh = _scaled(source_wh, min(1.0, _fit(source_wh, canvas_wh)))
            return Letterbox(size_wh, size_wh)
        case _:
            size_wh = _scaled(source_wh, _fit(source_wh, canvas_wh))
            centred = ((canvas_wh[0] - size_wh[0]) // 2, (canvas_wh[1] - size_wh[1]) // 2)
            return Letterbox(canvas_wh, size_wh, centred if mode == "letterbox" else (0, 0))


def _fit(source_wh: Size, canvas_wh: Size) -> float:
    """Return the largest scale at which the picture fits."""
    return min(canvas_wh[0] / source_wh[0], canvas_wh[1] / source_wh[1])


def _scaled(source_wh: Size, scale: float) -> Size:
    return max(1, round(source_wh[0] * scale)), max(1, round(source_wh[1] * scale))


def _centre(source_wh: Size, canvas_wh: Size, crop_share: float) -> tuple[float, float, float, float]:
    """Return the centred part of the canvas's shape."""
    least = min(source_wh[0] / canvas_wh[0], source_wh[1] / canvas_wh[1]) * crop_share
    half_width, half_height = (canvas_wh[0] * least / source_wh[0] / 2, canvas_wh[1] * least / source_wh[1] / 2)
    return 0.5 - half_width, 0.5 - half_height, 0.5 + half_width, 0.5 + half_height
