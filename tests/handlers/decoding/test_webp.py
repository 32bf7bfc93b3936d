"""WebP: its pixels alone reach the decoder, cut and costly files are refused, and so are animations."""

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handlers.decoding.decoder import ROUTES, Decoder, RouteName
from handlers.decoding.formats import webp
from handlers.decoding.formats.webp_lossless import MAX_BLOCKS, MAX_GROUPS
from handlers.errors import EdgeError, TooManyPixelsError, UndecodableFrameError
from lab.pictures import encode, street
from models.frame import DecodeTarget, Pixels
from models.letterbox import Size
from tests.support.cost import costs_at_most
from tools.hostile.pictures import WRITERS
from tools.hostile.webp_lossless import lossless_webp, riff_webp

SMALL = street().resize((97, 71))
DECODER, TARGET = Decoder(36_000_000), DecodeTarget((40, 30))
SECRET = b"a secret of its own"
FADED = SMALL.convert("RGBA")
FADED.putalpha(SMALL.convert("L"))
KINDS: dict[str, bytes] = {
    "lossy": encode(SMALL, "WEBP"),
    "lossy with alpha": encode(FADED, "WEBP"),
    "lossless": encode(SMALL, "WEBP", lossless=True),
    "lossless with alpha": encode(FADED, "WEBP", lossless=True, exact=True),
    "few colours": encode(SMALL.quantize(5).convert("RGB"), "WEBP", lossless=True),
    "grey": encode(SMALL.convert("L"), "WEBP"),
    "with metadata": encode(SMALL, "WEBP", exif=b"Exif\0\0" + SECRET, xmp=SECRET, icc_profile=SECRET),
}


def pixels(body: bytes) -> Pixels:
    return DECODER.whole(body).rgb(SMALL.size)


def content(body: bytes) -> bytes:
    """Return the pixels of a file as they are coded."""
    return webp.essence(body)[20:]


def chunk(name: bytes, inside: bytes = SECRET) -> bytes:
    return name + struct.pack("<I", len(inside)) + inside + bytes(len(inside) % 2)


@pytest.mark.parametrize("body", KINDS.values(), ids=KINDS)
def test_pixels_are_those_of_pillow(body: bytes) -> None:
    with Image.open(io.BytesIO(body)) as picture:
        expected = np.asarray(picture.convert("RGBA"))[..., :3]
    np.testing.assert_array_equal(pixels(body), expected)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", KINDS.values(), ids=KINDS)
def test_a_webp_is_scaled_like_the_same_pixels_in_a_png(route: RouteName, body: bytes) -> None:
    frame = Decoder(36_000_000, route).frame(body, None, TARGET)
    expected = Decoder(36_000_000, route).frame(encode(Image.fromarray(pixels(body)), "PNG"), None, TARGET)
    np.testing.assert_array_equal(frame.rgb((40, 30)), expected.rgb((40, 30)))
    assert frame.source_size_wh == expected.source_size_wh == SMALL.size


@pytest.mark.parametrize("body", KINDS.values(), ids=KINDS)
def test_nothing_but_the_pixels_is_seen(body: bytes) -> None:
    essence = webp.essence(body)
    more = b"".join([b"RIFF", SECRET[:4], b"WEBP", *map(chunk, (b"ICCP", b"prIv", b"ALPH")), essence[12:], SECRET])
    assert SECRET not in essence
    assert webp.essence(more) == webp.essence(memoryview(body)) == webp.essence(essence) == essence
    np.testing.assert_array_equal(pixels(more), pixels(body))


@pytest.mark.parametrize("name", ["lossy", "lossless", "few colours"])
def test_pixels_that_end_too_early_are_refused_though_their_length_is_right(name: str) -> None:
    """What the container says cannot show that some are missing. The last bytes may be padding of the coder's own."""
    body, whole = KINDS[name], content(KINDS[name])
    for length in [*range(0, len(whole) - 8, 211), len(whole) - 9]:
        with pytest.raises(UndecodableFrameError):
            pixels(riff_webp(whole[:length], body[12:16]))


def test_an_animation_is_refused() -> None:
    body = encode(SMALL, "WEBP", save_all=True, append_images=[SMALL.rotate(90)])
    with pytest.raises(
        UndecodableFrameError, match=r"^The WebP picture is an animation; send single pictures of it\.$"
    ):
        pixels(body)


BROKEN: dict[str, bytes] = {
    "nothing else": b"RIFF\0\0\0\0WEBP",
    "no pixels": b"RIFF\0\0\0\0WEBP" + chunk(b"EXIF"),
    "half a chunk's header": b"RIFF\0\0\0\0WEBPVP8",
    "no content": riff_webp(b""),
    "no lossy content": riff_webp(b"", b"VP8 "),
    "lossless named lossy": riff_webp(content(KINDS["lossless"]), b"VP8 "),
    "lossy named lossless": riff_webp(content(KINDS["lossy"])),
    "a frame that changes an earlier one": riff_webp(b"\1" + content(KINDS["lossy"])[1:], b"VP8 "),
    "no columns": riff_webp(content(KINDS["lossy"])[:6] + b"\0\0" + content(KINDS["lossy"])[8:], b"VP8 "),
    "another version": riff_webp(content(KINDS["lossless"])[:4] + b"\xff" + content(KINDS["lossless"])[5:]),
    "the same transform again": lossless_webp((64, 64), 1, transforms=(2, 2)),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused(body: bytes) -> None:
    with pytest.raises(UndecodableFrameError, match="begin like a WebP picture but are damaged or incomplete"):
        pixels(body)


def lossy_of(width: int, height: int) -> bytes:
    """Return a lossy file whose header says this size."""
    coded = content(KINDS["lossy"])
    return riff_webp(coded[:6] + struct.pack("<HH", width, height) + coded[10:], b"VP8 ")


def lossless_of(width: int, height: int) -> bytes:
    """Return a lossless file whose header says this size."""
    coded = content(KINDS["lossless"])
    return riff_webp(coded[:1] + struct.pack("<I", width - 1 | height - 1 << 14) + coded[5:])


@pytest.mark.parametrize("said", [lossy_of, lossless_of])
@pytest.mark.parametrize("size_wh", [(16383, 16383), (6000, 4001)])
def test_too_many_pixels_are_refused_by_the_header_alone(said: Callable[[int, int], bytes], size_wh: Size) -> None:
    width, height = size_wh
    match = f"The WebP picture is {width} x {height} pixels, over the limit of 24000000 for WebP;"
    with costs_at_most(0.05), pytest.raises(TooManyPixelsError, match=match):
        pixels(said(width, height))


@pytest.mark.parametrize("options", [{}, {"lossless": True}], ids=str)
def test_the_pixel_limit_is_exact(options: dict[str, bool]) -> None:
    body = encode(Image.new("RGB", (60, 50)), "WEBP", **options)
    Decoder(4500).whole(body)
    with pytest.raises(TooManyPixelsError):
        Decoder(4499).whole(body)


def test_chunks_before_the_pixels_are_bounded() -> None:
    body = KINDS["lossy"]
    few, many = (body[:12] + chunk(b"prIv") * count + body[12:] for count in (999, 1000))
    np.testing.assert_array_equal(pixels(few), pixels(body))
    with pytest.raises(UndecodableFrameError):
        pixels(many)
    endless = body[:12] + chunk(b"prIv", b"") * 1_000_000
    with costs_at_most(0.2), pytest.raises(UndecodableFrameError):
        pixels(endless)


@pytest.mark.parametrize("transforms", [(), (0,), (1, 2), (0, 1, 2), (3,), (2, 3, 0, 1)], ids=str)
def test_groups_of_codes_are_counted_behind_every_transform(transforms: tuple[int, ...]) -> None:
    """In this picture each block of 4 x 4 pixels has a group of its own; libwebp reads it as it was meant."""
    width = 8 * 52 if 3 in transforms else 52  # eight indices of a table of one colour are one pixel
    most = lossless_webp((width, 4 * 200), MAX_GROUPS, transforms)
    assert DECODER.whole(most).source_size_wh == (width, 800)
    with pytest.raises(UndecodableFrameError, match="has more than 2600 groups of codes or 200000 blocks"):
        DECODER.whole(lossless_webp((width, 4 * 201), MAX_GROUPS + 1, transforms))


@pytest.mark.parametrize("rows", [1000, 1001])
def test_blocks_are_bounded(rows: int) -> None:
    """The file announces blocks of 4 x 4 pixels and then ends."""
    size = 4 * (MAX_BLOCKS // 1000) - 1 | 4 * rows - 1 << 14
    body = riff_webp(struct.pack("<BIB", 0x2F, size, 0b000100) + bytes(100))
    match = "or 200000 blocks" if rows > 1000 else "damaged or incomplete"
    with costs_at_most(0.5), pytest.raises(UndecodableFrameError, match=match):
        DECODER.whole(body)


def test_transforms_end() -> None:
    """Each may come once: here, the one without an image comes as often as a body has space for."""
    three_bits = int("101" * 8, 2).to_bytes(3, "little")
    body = riff_webp(struct.pack("<BI", 0x2F, 0) + three_bits * 300_000)
    with costs_at_most(0.2), pytest.raises(UndecodableFrameError):
        DECODER.whole(body)


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_corrupt_files_decode_or_are_refused(name: str, data: st.DataObject) -> None:
    body = bytearray(KINDS[name])
    for _ in range(data.draw(st.integers(1, 20), label="bytes changed")):
        body[data.draw(st.integers(12, min(len(body) - 1, 200)))] = data.draw(st.integers(0, 255))
    try:
        frame = DECODER.encoded(bytes(body[: data.draw(st.integers(20, len(body)))]), TARGET)
    except EdgeError:
        return
    assert frame.pixels_hwc.shape[:2] == (30, 40)


@pytest.mark.parametrize(
    "options", [{"method": method, "quality": quality} for method in (0, 4, 6) for quality in (0, 90)]
)
@pytest.mark.parametrize("colours", [2, 4, 16, 256, None])
def test_no_lossless_picture_of_an_encoder_is_refused(options: dict[str, int], colours: int | None) -> None:
    picture = street().resize((160, 101))
    picture = picture.quantize(colours).convert("RGB") if colours else picture
    body = encode(picture, "WEBP", lossless=True, **options)
    np.testing.assert_array_equal(DECODER.whole(body).rgb(picture.size), np.asarray(picture))


def test_the_writers_of_hostile_files_write_webp() -> None:
    assert {name for name in WRITERS if name.startswith("webp")} == {"webp-lossy", "webp-alpha", "webp-lossless"}
