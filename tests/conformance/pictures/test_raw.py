"""Raw pixels: what the kit writes is what the service and the seeded server read."""

import numpy as np
import pytest
from PIL import Image

from conformance.pictures.raw import LOSSLESS, PIXEL_FORMATS, raw
from handlers.decoding.raw import decode_raw, tight
from handlers.decoding.scaling import Unscaled
from models.frame import PIXEL_FORMAT_NAMES, PixelFormat
from tests.support.seeded.model import board
from tests.support.seeded.raw import length, read_raw

LOSS = 12
"""How far colours of large areas may change; 5 bits lose up to 8, and decoders round in their own ways."""


def test_the_kit_knows_all_formats() -> None:
    assert sorted(PIXEL_FORMATS) == sorted(PIXEL_FORMAT_NAMES)


@pytest.mark.parametrize("pixel_format", PIXEL_FORMAT_NAMES)
@pytest.mark.parametrize("size_wh", [(416, 416), (101, 67), (1, 1)], ids=["board", "odd", "one pixel"])
def test_a_picture_is_read_as_it_was_written(pixel_format: PixelFormat, size_wh: tuple[int, int]) -> None:
    image = board().resize(size_wh, Image.Resampling.NEAREST)
    body = raw(image, pixel_format)
    assert len(body) == length(pixel_format, size_wh)
    ours = decode_raw(body, tight(pixel_format, size_wh), 10**6, Unscaled()).rgb(size_wh)
    for pixels in (ours, read_raw(body, pixel_format, size_wh)):
        difference = np.abs(pixels.astype(int) - np.asarray(image))
        assert np.quantile(difference, 0.75) <= (0 if pixel_format in LOSSLESS else LOSS)
