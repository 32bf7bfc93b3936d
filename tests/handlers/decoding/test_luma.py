"""Reduced luma shows the picture that decoding gives, and refuses what decoding refuses."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handlers.decoding import encoded
from handlers.decoding.decoder import Decoder
from handlers.decoding.encoded import CODECS
from handlers.decoding.luma import MOST_PX
from handlers.decoding.raw import LAYOUTS, layout_bytes, padded, tight
from handlers.errors import RawFrameError, TooManyPixelsError, UndecodableFrameError
from lab.pictures import bmp, encode, grey16, street
from models.frame import Body, DecodeTarget, PixelFormat, Pixels
from models.letterbox import Size

DECODER = Decoder(max_pixels=1_000_000)
SMOOTH = street().resize((48, 32)).resize((768, 512), Image.Resampling.BICUBIC)
"""Without details that a sample of its pixels could miss."""
FORMATS = [codec.name for codec in CODECS.values()]


def difference(luma: Pixels, picture: Image.Image) -> float:
    """Return the mean difference to a picture, in levels."""
    small = picture.convert("L").resize(luma.shape[::-1], Image.Resampling.BOX)
    return float(np.abs(luma.astype(int) - np.asarray(small)).mean())


def raw_body(picture: Image.Image, pixel_format: PixelFormat) -> bytes:
    """Return a grey picture as a raw frame: each channel has the same level, also of 5 bits."""
    grey = np.asarray(picture.convert("L"))
    if pixel_format == "yuv420p":
        return grey.tobytes() + bytes([128]) * (layout_bytes(tight(pixel_format, picture.size)) - grey.size)
    sample_bytes = LAYOUTS[pixel_format].planes[0].sample_bytes
    if sample_bytes != 2:
        return np.repeat(grey, sample_bytes).tobytes()
    green_bits = 6 if "565" in pixel_format else 5
    level = grey.astype(np.uint16) >> 3
    words = level << (5 + green_bits) | (level << (green_bits - 5)) << 5 | level
    return words.astype(">u2" if pixel_format.endswith("be") else "<u2").tobytes()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_luma_is_that_of_the_picture(name: str, mode: str) -> None:
    luma = DECODER.luma(encode(SMOOTH.convert(mode), name))[0]
    assert luma.dtype == np.uint8
    assert difference(luma, SMOOTH) < 2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(encode(SMOOTH.convert("CMYK"), "JPEG"), id="CMYK"),
        pytest.param(encode(SMOOTH, "JPEG", progressive=True), id="progressive"),
        pytest.param(encode(SMOOTH, "JPEG", keep_rgb=True), id="RGB in JPEG"),
        pytest.param(encode(SMOOTH.convert("RGBA"), "PNG"), id="alpha"),
        pytest.param(encode(SMOOTH.quantize(), "PNG"), id="palette"),
        pytest.param(encode(grey16(SMOOTH), "PNG"), id="16 bits"),
        pytest.param(bmp(SMOOTH, 24, top_down=True), id="top down"),
        pytest.param(bmp(SMOOTH, 16), id="words"),
        pytest.param(bmp(SMOOTH, 32), id="padded pixels"),
    ],
)
def test_every_kind_has_luma(body: bytes) -> None:
    assert difference(DECODER.luma(body)[0], SMOOTH) < 5


@pytest.mark.parametrize("pixel_format", LAYOUTS)
def test_every_raw_format_has_luma(pixel_format: PixelFormat) -> None:
    luma = DECODER.luma(raw_body(SMOOTH, pixel_format), tight(pixel_format, SMOOTH.size))[0]
    assert difference(luma, SMOOTH) < (5 if "5" in pixel_format else 2)


def test_padding_is_not_seen() -> None:
    layout = padded("bgr24", (767, 512))
    rows = np.full((512, layout.strides_bytes[0]), 255, np.uint8)
    rows[:, : 3 * 767] = 7
    assert DECODER.luma(rows.tobytes(), layout)[0].max() == 7


@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "raw"]),
)
def test_luma_is_small_and_large_enough(size_wh: Size, kind: str) -> None:
    """At least 160 columns or 100 rows, unless the picture is smaller, and no more than is needed."""
    picture = Image.new("L", size_wh)
    body = np.asarray(picture.convert("RGB")).tobytes() if kind == "raw" else encode(picture, kind)
    luma = Decoder(2_000_000).luma(body, tight("rgb24", size_wh) if kind == "raw" else None)[0]
    least_wh = DecodeTarget((160, 100), "within").letterbox(size_wh).size_wh
    assert all(side >= least for side, least in zip(luma.shape[::-1], least_wh, strict=True))
    assert any(side < 2 * least for side, least in zip(luma.shape[::-1], least_wh, strict=True))
    assert max(luma.shape) <= MOST_PX


@pytest.mark.parametrize("size_wh", [(60000, 3), (3, 60000), (4000, 150), (513, 1)])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "raw"])
def test_luma_of_a_very_long_picture_is_small(size_wh: Size, kind: str) -> None:
    picture = Image.new("L", size_wh, 99)
    body = np.asarray(picture.convert("RGB")).tobytes() if kind == "raw" else encode(picture, kind)
    luma, of_wh = DECODER.luma(body, tight("rgb24", size_wh) if kind == "raw" else None)
    assert (max(luma.shape) <= MOST_PX, of_wh, set(luma.ravel().tolist())) == (True, size_wh, {99})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b"", UndecodableFrameError, id="nothing"),
        pytest.param(b"GIF89a", UndecodableFrameError, id="another format"),
        *(pytest.param(encode(SMOOTH, name)[:-2000], UndecodableFrameError, id=f"cut {name}") for name in FORMATS),
        *(pytest.param(encode(Image.new("L", (1001, 1000)), name), TooManyPixelsError, id=name) for name in FORMATS),
    ],
)
def test_what_decoding_refuses_is_refused_alike(body: Body, error: type[Exception]) -> None:
    def message(decode: Callable[[], object]) -> str:
        with pytest.raises(error) as refused:
            decode()
        return str(refused.value)

    assert message(lambda: DECODER.luma(body)) == message(lambda: DECODER.whole(body))


@pytest.mark.parametrize(
    ("size_wh", "error"), [((10, 11), RawFrameError), ((1001, 1000), TooManyPixelsError)], ids=["length", "pixels"]
)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "rgb24", "rgb565le"])
def test_raw_frames_are_refused_alike(pixel_format: PixelFormat, size_wh: Size, error: type[Exception]) -> None:
    with pytest.raises(error):
        DECODER.luma(bytes(300), tight(pixel_format, size_wh))


def test_a_jpeg_is_decoded_at_a_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[Size] = []
    plain_image = encoded._plain_image  # noqa: SLF001  # where decoded pixels pass

    def noted(picture: Image.Image) -> Image.Image:
        sizes.append(picture.size)
        assert picture.mode == "L"
        return plain_image(picture)

    monkeypatch.setattr(encoded, "_plain_image", noted)
    DECODER.luma(encode(SMOOTH, "JPEG"))
    assert sizes == [(192, 128)]
