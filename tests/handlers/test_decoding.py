"""Decoding: every kind of picture becomes the same frame, and no bytes do harm."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handlers.decoding.encoded import CODECS, decode
from handlers.errors import EdgeError, TooManyPixelsError, UndecodableFrameError
from models.frame import DecodeTarget
from tests.support.pictures import STREET, bmp, encode, grey16, png, street, street_as

MAX_PIXELS = 36_000_000
SMALL = street().resize((96, 72))
ODD = street().resize((97, 71))
EMPTY_PROFILE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAC0lEQVR4nGNgQAYAAA4AAamRc7EAAAAAaUNDUKWJGT4AAAAASUVORK5CYII="
)
"""A PNG with an empty iCCP chunk behind its pixels, on which Pillow 13.0 raises IndexError."""
JPEG_TOLERANCE = 12
"""Largest mean difference of a level, 0..255, between a picture and its decoded twin."""


@pytest.mark.parametrize(
    ("body", "twin", "tolerance"),
    [
        pytest.param(encode(SMALL, "PNG"), SMALL, 0, id="png"),
        pytest.param(encode(SMALL, "BMP"), SMALL, 0, id="bmp"),
        pytest.param(encode(SMALL, "JPEG", quality=95), SMALL, JPEG_TOLERANCE, id="jpeg"),
        pytest.param(encode(SMALL, "JPEG", progressive=True, quality=95), SMALL, JPEG_TOLERANCE, id="progressive jpeg"),
        pytest.param(encode(SMALL.convert("L"), "PNG"), SMALL.convert("L"), 0, id="grey png"),
        pytest.param(
            encode(SMALL.convert("L"), "JPEG", quality=95), SMALL.convert("L"), JPEG_TOLERANCE, id="grey jpeg"
        ),
        pytest.param(encode(SMALL.convert("L"), "BMP"), SMALL.convert("L"), 0, id="grey bmp"),
        pytest.param(encode(grey16(SMALL), "PNG"), SMALL.convert("L"), 0, id="16-bit grey png"),
        pytest.param(encode(SMALL.convert("RGBA"), "PNG"), SMALL, 0, id="alpha"),
        pytest.param(encode(SMALL.convert("LA"), "PNG"), SMALL.convert("L"), 0, id="grey with alpha"),
        pytest.param(encode(SMALL.convert("P"), "PNG"), SMALL.convert("P").convert("RGB"), 0, id="palette"),
        pytest.param(encode(SMALL.convert("1"), "PNG"), SMALL.convert("1"), 0, id="1-bit png"),
        pytest.param(encode(SMALL.convert("1"), "BMP"), SMALL.convert("1"), 0, id="1-bit bmp"),
        pytest.param(encode(SMALL.convert("CMYK"), "JPEG", quality=95), SMALL, JPEG_TOLERANCE, id="cmyk jpeg"),
    ],
)
def test_every_mode_becomes_the_same_frame(body: bytes, twin: Image.Image, tolerance: int) -> None:
    frame = decode(body, MAX_PIXELS)
    assert frame.channel_order == "rgb"
    assert frame.source_size_wh == SMALL.size
    difference = np.abs(frame.pixels_hwc.astype(int) - np.asarray(twin.convert("RGB")).astype(int))
    assert difference.mean() <= tolerance


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("top_down", [False, True], ids=["bottom-up", "top-down"])
@pytest.mark.parametrize("gap_bytes", [0, 10])
def test_bmp_as_cameras_write_it(bits: int, top_down: bool, gap_bytes: int) -> None:  # noqa: FBT001  # a table's column
    frame = decode(bmp(ODD, bits, top_down=top_down, gap_bytes=gap_bytes), MAX_PIXELS)
    difference = np.abs(frame.pixels_hwc.astype(int) - np.asarray(ODD).astype(int))
    assert difference.max() <= (8 if bits == 16 else 0)


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_keeps_its_high_bytes(channels: int) -> None:
    pixels = (np.arange(4 * 5 * channels).reshape(4, 5, channels) * 1000).astype(">u2")
    body = png((5, 4), 16, 2 if channels == 3 else 6, pixels)
    np.testing.assert_array_equal(decode(body, MAX_PIXELS).pixels_hwc, (pixels >> 8).astype(np.uint8)[..., :3])


def test_a_palette_with_transparency_keeps_its_colours() -> None:
    palette = SMALL.convert("P")
    body = encode(palette, "PNG", transparency=bytes(range(0, 256, 2)))
    np.testing.assert_array_equal(decode(body, MAX_PIXELS).pixels_hwc, np.asarray(palette.convert("RGB")))


def test_transparent_pixels_keep_their_colour() -> None:
    clear_red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (decode(encode(clear_red, "PNG"), MAX_PIXELS).pixels_hwc == [255, 0, 0]).all()


def test_exif_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    frame = decode(encode(SMALL, "JPEG", exif=exif.tobytes()), MAX_PIXELS)
    assert frame.pixels_hwc.shape == (72, 96, 3)


def test_jpeg_is_decoded_no_larger_than_needed_and_keeps_the_size_of_its_source() -> None:
    frame = decode(STREET.read_bytes(), MAX_PIXELS, DecodeTarget((300, 280)))
    assert frame.source_size_wh == (768, 576)
    assert frame.pixels_hwc.shape == (288, 384, 3)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP"])
def test_a_picture_cut_anywhere_is_refused_unless_every_pixel_is_there(name: str) -> None:
    body = encode(SMALL, name)
    whole = decode(body, MAX_PIXELS).pixels_hwc
    for length in [*range(0, len(body), 7), *range(len(body) - 30, len(body))]:
        try:
            cut = decode(body[:length], MAX_PIXELS).pixels_hwc
        except UndecodableFrameError:
            continue
        np.testing.assert_array_equal(cut, whole)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 1000, id="zeros"),
        pytest.param(b"<svg/>", id="svg"),
        pytest.param(encode(SMALL, "GIF"), id="gif"),
        pytest.param(encode(SMALL, "TIFF"), id="tiff"),
        pytest.param(encode(SMALL, "EPS"), id="eps"),
        pytest.param(b"\xff\xd8", id="a jpeg marker alone"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="a png signature alone"),
        pytest.param(b"BM", id="a bmp signature alone"),
        pytest.param(base64.b64decode(EMPTY_PROFILE), id="a png with an empty colour profile"),
    ],
)
def test_bytes_that_are_no_picture_are_refused(body: bytes) -> None:
    with pytest.raises(UndecodableFrameError):
        decode(body, MAX_PIXELS)


def bomb(width: int, height: int) -> bytes:
    """Return a PNG whose header promises so many pixels, and which has none."""
    return png((width, height), 8, 2, np.zeros((0, 0, 0), np.uint8))


@pytest.mark.parametrize("size_wh", [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (36_000_001, 1)])
def test_too_many_pixels_are_told_from_the_header(size_wh: tuple[int, int]) -> None:
    with pytest.raises(TooManyPixelsError, match=f"{size_wh[0]} x {size_wh[1]} pixels"):
        decode(bomb(*size_wh), MAX_PIXELS)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP"])
def test_the_pixel_limit_is_exact(name: str) -> None:
    body = street_as(name)
    decode(body, 768 * 576)
    with pytest.raises(TooManyPixelsError):
        decode(body, 768 * 576 - 1)


@given(st.sampled_from(sorted(CODECS)), st.data())
def test_corrupt_pictures_decode_or_are_refused(media_type: str, data: st.DataObject) -> None:
    body = bytearray(encode(SMALL, CODECS[media_type].name))
    for _ in range(data.draw(st.integers(1, 20), label="bytes changed")):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = decode(bytes(body), MAX_PIXELS, DecodeTarget((30, 30)))
    except EdgeError:
        return
    assert frame.pixels_hwc.shape[2] == 3


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP"])
def test_pillow_reads_only_the_format_that_the_bytes_announce(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = Image.open

    def spy(body: io.BytesIO, formats: tuple[str, ...]) -> Image.Image:
        asked.append(formats)
        return original(body, formats=formats)

    monkeypatch.setattr(Image, "open", spy)
    decode(encode(SMALL, name), MAX_PIXELS)
    assert asked == [(name,)]
