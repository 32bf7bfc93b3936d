"""Bodies of requests, as the server's own decoder reads them."""

import io
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from handlers.decoding.decoder import Decoder
from handlers.decoding.raw import tight
from player.flow import PixelFormat, SizeWh
from player.nodes.protocol.encoding import PLANES, Body, FormatName, ImageFormat, ImageSettings, encode
from player.nodes.protocol.scaling import Scale
from tests.player.nodes.pictures import DrawnPicture

ROWS, COLUMNS = np.mgrid[:90, :160]
SLOPES = DrawnPicture(np.stack([ROWS * 2, COLUMNS, 200 - ROWS], axis=2).astype(np.uint8))
PIXEL_FORMATS = get_args(PixelFormat)


def rgb_of(body: Body, pixel_format: PixelFormat) -> NDArray[np.uint8]:
    """Return the pixels of a raw body [rows, columns, 3], as the server reads them."""
    frame = Decoder(10**6).whole(body.content, tight(pixel_format, body.placement.canvas_wh))
    channels = [frame.channel_order.index(channel) for channel in "rgb"]
    return np.asarray(frame.pixels_hwc[:, :, channels])


def padding_of(rgb: NDArray[np.uint8], body: Body) -> NDArray[np.bool_]:
    (x, y), (width, height) = body.placement.offset_xy, body.placement.picture_wh
    outside = np.ones(rgb.shape[:2], np.bool_)
    outside[y : y + height, x : x + width] = False
    return outside


def test_each_format_has_its_planes() -> None:
    assert set(PLANES) == set(PIXEL_FORMATS)


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
@pytest.mark.parametrize("canvas_wh", [(160, 160), (81, 81), (200, 60)])
def test_raw_pictures_are_padded_with_black(pixel_format: PixelFormat, canvas_wh: SizeWh) -> None:
    settings = ImageSettings(Scale("pad", *canvas_wh), ImageFormat("raw", pixel_format=pixel_format))
    body = encode(SLOPES, settings)
    width, height = canvas_wh
    assert body.media_type == f"image/x-raw; format={pixel_format}; width={width}; height={height}"
    rgb = rgb_of(body, pixel_format)
    outside = padding_of(rgb, body)
    assert outside.any()
    assert rgb[outside].mean() <= 1
    assert rgb[outside].max() <= 1 or pixel_format == "yuv420p"  # whose colours run into the next pixel
    inside = rgb[~outside].reshape(*reversed(body.placement.picture_wh), 3)
    expected = np.asarray(Image.fromarray(SLOPES.rgb).resize(body.placement.picture_wh, Image.Resampling.BILINEAR))
    assert np.abs(inside.astype(int) - expected).mean() < 5


@pytest.mark.parametrize("pixel_format", ["argb", "abgr", "rgba", "bgra"])
def test_padding_is_opaque(pixel_format: PixelFormat) -> None:
    body = encode(SLOPES, ImageSettings(Scale("pad", 64, 64), ImageFormat("raw", pixel_format=pixel_format)))
    alpha = np.frombuffer(body.content, np.uint8).reshape(64, 64, 4)[:, :, pixel_format.index("a")]
    assert (alpha == 255).all()


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
def test_raw_pictures_without_scaling(pixel_format: PixelFormat) -> None:
    body = encode(SLOPES, ImageSettings(format=ImageFormat("raw", pixel_format=pixel_format)))
    assert np.abs(rgb_of(body, pixel_format).astype(int) - SLOPES.rgb).mean() < 5


def opened(body: Body) -> Image.Image:
    return Image.open(io.BytesIO(body.content))


def test_by_default_a_picture_is_a_bmp_of_24_bits() -> None:
    """As long as the documented request."""
    body = encode(SLOPES, ImageSettings(Scale("pad", 416, 416)))
    assert (body.media_type, len(body.content), body.content[28]) == ("image/bmp", 519222, 24)
    assert (np.asarray(opened(encode(SLOPES, ImageSettings()))) == SLOPES.rgb).all()


def test_png_is_lossless() -> None:
    body = encode(SLOPES, ImageSettings(format=ImageFormat("png")))
    assert body.media_type == "image/png"
    assert (np.asarray(opened(body)) == SLOPES.rgb).all()


def test_jpeg_has_its_quality() -> None:
    bodies = [encode(SLOPES, ImageSettings(format=ImageFormat("jpeg", quality))) for quality in (0, 1, 50, 100)]
    sizes = [len(body.content) for body in bodies]
    assert sizes == sorted(sizes)
    assert sizes[0] == sizes[1]
    assert {body.media_type for body in bodies} == {"image/jpeg"}
    assert np.abs(np.asarray(opened(bodies[-1])).astype(int) - SLOPES.rgb).mean() < 2
    assert {layer[1:3] for layer in opened(bodies[-1]).layer[:1]} == {(2, 2)}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["bmp", "jpeg", "png"])
def test_files_are_padded_with_black(name: FormatName) -> None:
    body = encode(SLOPES, ImageSettings(Scale("pad", 100, 200), ImageFormat(name)))
    rgb = np.asarray(opened(body))
    assert rgb.shape == (200, 100, 3)
    assert rgb[:60].max() <= 2
    assert rgb[-60:].max() <= 2
    assert rgb[90:110].mean() > 40
