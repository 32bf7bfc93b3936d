"""Frames with one white box, and its position on a model's canvas: the way there and back."""

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats
from models.families import Family
from models.frame import Frame
from models.letterbox import Letterbox, ResizeMode
from models.results import Results

DRAWN = (
    ((640, 360), (240, 100, 400, 220)),
    ((360, 640), (120, 240, 200, 400)),
    ((97, 64), (32, 16, 64, 48)),
    ((1600, 1200), (600, 500, 1000, 700)),
)
"""Sizes of pictures, width and height, and boxes well inside them, in pixels."""

FIXED_CANVAS_MODES: tuple[ResizeMode, ...] = (
    "stretch",
    "letterbox",
    "letterbox_top_left",
    "centre_crop",
    "stretch_crop",
)


def frame_with_box(size_wh: tuple[int, int], box_xyxy: tuple[int, int, int, int]) -> Frame:
    """Return a black frame with one white box."""
    pixels = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top, right, bottom = box_xyxy
    pixels[top:bottom, left:right] = 255
    return Frame(pixels, "rgb", size_wh)


def seen_cxcywh(images_nchw: NDArray[np.generic]) -> Floats:
    """Return centre, width and height [4] of the bright area of a picture input [1, 3, H, W], in its pixels."""
    plane = np.asarray(images_nchw[0, 0], np.float32)
    rows, columns = np.nonzero(plane > (plane.min() + plane.max()) / 2)
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], np.float32)


def fed(family: Family, frame: Frame) -> tuple[NDArray[np.generic], Letterbox]:
    """Return the picture input as [1, 3, H, W], and where the picture lies on it."""
    feeds, letterbox = family.picture.preprocess(frame)
    [images] = (tensor for tensor in feeds.values() if tensor.ndim == 4)
    return (images if images.shape[1] == 3 else images.transpose(0, 3, 1, 2)), letterbox


def assert_found_where_drawn(
    results: Results, letterbox: Letterbox, size_wh: tuple[int, int], box_xyxy: tuple[int, int, int, int]
) -> None:
    """Assert that the one detection is the box that was drawn, to a pixel and a half of the canvas."""
    [detection] = results.detections
    left, top, right, bottom = letterbox.region_xyxy
    pixel = np.array([(right - left) / letterbox.size_wh[0], (bottom - top) / letterbox.size_wh[1]] * 2)
    expected = np.array(box_xyxy) / (size_wh * 2)
    assert (np.abs(np.array(detection.box_xyxy) - expected) <= 1.5 * pixel).all()
