"""Raw frames: each pixel format decodes to its original picture, with any padding of the rows."""

import math

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from handlers.decoding.decoder import ROUTES, Decoder, RouteName
from handlers.decoding.raw import LAYOUTS, layout_bytes, padded, tight
from handlers.errors import RawFrameError, TooManyPixelsError
from lab.pictures import street
from models.frame import PIXEL_FORMAT_NAMES, DecodeTarget, PixelFormat, RawLayout
from tests.support.models.raw import FORMATS, raw

MAX_PIXELS = 1_000_000
PLAIN = Decoder(MAX_PIXELS, "plain")
EXACT = Decoder(MAX_PIXELS)
TARGET = DecodeTarget((30, 20))
WORD_BYTES = 2
LOSSY_MEAN_DIFFERENCE = 4
"""Mean error in levels of dithering to five bits, or of halving the chroma; another format causes more than 20."""


def random_picture(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def decoded(body: bytes, layout: RawLayout) -> NDArray[np.uint8]:
    return PLAIN.raw(body, layout, TARGET).rgb(layout.size_wh)


layouts = st.builds(
    lambda pixel_format, width, height, gaps: RawLayout(
        pixel_format,
        (width, height),
        tuple(
            plane.size((width, height))[0] + gap for plane, gap in zip(LAYOUTS[pixel_format].planes, gaps, strict=False)
        ),
        height,
    ),
    st.sampled_from(PIXEL_FORMAT_NAMES),
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
)


@given(layouts, st.integers(0, 2**32))
def test_a_frame_is_the_picture_it_was_made_of(layout: RawLayout, seed: int) -> None:
    picture = random_picture(*layout.size_wh, seed)
    body, expected = raw(picture, layout)
    assert len(body) == layout_bytes(layout)
    difference = np.abs(decoded(body, layout).astype(int) - expected.astype(int))
    assert difference.max() <= FORMATS[layout.pixel_format].tolerance


@pytest.mark.parametrize("pixel_format", PIXEL_FORMAT_NAMES)
def test_what_ffmpeg_writes_is_read_as_the_picture_it_wrote(pixel_format: PixelFormat) -> None:
    """An independent implementation of the same formats; it dithers where a format has fewer bits."""
    picture = np.asarray(street().resize((384, 288)))
    written = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixel_format)
    layout = tight(pixel_format, (384, 288))
    planes = [np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size) for plane in written.planes]
    rows = [plane[:, :stride].tobytes() for plane, stride in zip(planes, layout.strides_bytes, strict=True)]
    difference = np.abs(decoded(b"".join(rows), layout).astype(int) - picture.astype(int))
    lossless = len(LAYOUTS[pixel_format].planes) == 1 and LAYOUTS[pixel_format].planes[0].sample_bytes > WORD_BYTES
    assert difference.mean() <= (0 if lossless else LOSSY_MEAN_DIFFERENCE)


@pytest.mark.parametrize(
    ("ycbcr", "rgb"),
    [
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (255, 255, 255)),
        ((81, 90, 240), (255, 0, 0)),
        ((145, 54, 34), (0, 255, 0)),
        ((41, 240, 110), (0, 0, 255)),
        ((0, 128, 128), (0, 0, 0)),
        ((255, 128, 128), (255, 255, 255)),
    ],
    ids=["black", "white", "red", "green", "blue", "below black", "above white"],
)
def test_yuv_is_bt601_in_limited_range(ycbcr: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    luma, *chroma = ycbcr
    body = bytes([luma] * 16 + [chroma[0]] * 4 + [chroma[1]] * 4)
    assert np.abs(decoded(body, tight("yuv420p", (4, 4))).astype(int) - rgb).max() <= 1


def test_chroma_lies_where_its_luma_lies() -> None:
    """One quarter of the picture has a colour; it is there and nowhere else, but for the border of two pixels."""
    luma, blue, red = np.full((16, 24), 120, np.uint8), np.full((8, 12), 128, np.uint8), np.full((8, 12), 128, np.uint8)
    red[:4, 6:] = 200
    layout = tight("yuv420p", (24, 16))
    rgb = decoded(b"".join(plane.tobytes() for plane in (luma, blue, red)), layout).astype(int)
    reddish = rgb[..., 0] - rgb[..., 2]
    assert reddish[:6, 14:].min() > 100
    assert np.abs(reddish[10:]).max() <= 1
    assert np.abs(reddish[:, :10]).max() <= 1


@pytest.mark.parametrize("pixel_format", PIXEL_FORMAT_NAMES)
@pytest.mark.parametrize("size_wh", [(384, 288), (97, 71), (10, 7)], ids=["smaller", "odd", "larger"])
def test_the_models_size_is_the_plain_picture_resized(pixel_format: PixelFormat, size_wh: tuple[int, int]) -> None:
    body, _ = raw(np.asarray(street().resize(size_wh)), tight(pixel_format, size_wh))
    layout = tight(pixel_format, size_wh)
    ours, plain = (decoder.raw(body, layout, TARGET) for decoder in (EXACT, PLAIN))
    assert ours.source_size_wh == plain.source_size_wh == size_wh
    assert ours.pixels_hwc.shape[:2] == (20, 30)
    difference = np.abs(ours.rgb((30, 20)).astype(int) - plain.rgb((30, 20)).astype(int))
    assert difference.mean() <= 2.5
    assert difference.max() <= 40


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("width", range(50, 62))
def test_chroma_is_not_shifted_at_odd_sizes(width: int, route: RouteName) -> None:
    """Blue grows from left to right, luma stays: the ramp comes out where it went in."""
    layout = tight("yuv420p", (width, 41))
    columns = np.arange((width + 1) // 2) * 2 + 1
    blue = np.tile(64 + 100 * columns / width, (21, 1)).astype(np.uint8)
    body = bytes([128] * width * 41) + blue.tobytes() + bytes([128] * blue.size)
    rgb = Decoder(MAX_PIXELS, route).raw(body, layout, DecodeTarget((20, 20))).rgb((20, 20)).astype(float)
    expected = (128 - 16) * 255 / 219 + (64 + 100 * (np.arange(20) + 0.5) / 20 - 128) * 1.772 * 255 / 224
    difference = rgb[..., 2] - expected
    assert np.abs(difference[:, 1:-1]).max() <= 5
    assert abs(difference[:, 12:-1].mean() - difference[:, 1:8].mean()) <= 1


@pytest.mark.parametrize("pixel_format", ["rgb24", "bgra", "argb"])
def test_packed_frames_are_views(pixel_format: PixelFormat) -> None:
    layout = tight(pixel_format, (64, 48))
    body = bytes(layout_bytes(layout))
    pixels = PLAIN.raw(body, layout, TARGET).pixels_hwc
    assert np.shares_memory(pixels, np.frombuffer(body, np.uint8))


@given(layouts, st.integers(-3000, 3000).filter(bool))
def test_another_length_is_refused_with_both_counts(layout: RawLayout, surplus: int) -> None:
    length = max(0, layout_bytes(layout) + surplus)
    if length == layout_bytes(layout):
        return
    with pytest.raises(RawFrameError, match=rf" takes {layout_bytes(layout)} bytes; received {length}\.$"):
        EXACT.raw(bytes(length), layout, TARGET)


def test_too_many_pixels_are_refused_before_anything_else() -> None:
    with pytest.raises(TooManyPixelsError, match="65535 x 65535"):
        EXACT.raw(b"", tight("bgra", (65535, 65535)), TARGET)


@pytest.mark.parametrize(
    ("pixel_format", "size_wh", "length"),
    [
        ("yuv420p", (5, 3), 8 * 4 + 2 * 4 * 2),  # GstVideoInfo of I420, 5 x 3
        ("bgr24", (5, 3), 16 * 3),
        ("rgb565le", (5, 3), 12 * 3),
        ("bgra", (5, 3), 20 * 3),
        ("yuv420p", (640, 480), 640 * 480 * 3 // 2),
    ],
)
def test_gstreamers_padding(pixel_format: PixelFormat, size_wh: tuple[int, int], length: int) -> None:
    layout = padded(pixel_format, size_wh)
    assert layout_bytes(layout) == length
    picture = random_picture(*size_wh, 1)
    body, expected = raw(picture, layout)
    difference = np.abs(decoded(body, layout).astype(int) - expected.astype(int))
    assert difference.max() <= FORMATS[pixel_format].tolerance


def test_every_format_has_a_writer() -> None:
    assert list(FORMATS) == list(LAYOUTS)
    assert math.prod(len(LAYOUTS[name].planes) for name in LAYOUTS) == 3
