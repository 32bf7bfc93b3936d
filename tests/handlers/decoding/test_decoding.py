"""Decoding: every kind of picture becomes the same frame, and no bytes do any harm."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from handlers.decoding.decoder import ROUTES, Decoder, RouteName
from handlers.decoding.encoded import CODECS
from handlers.errors import EdgeError, TooManyPixelsError, UndecodableFrameError
from lab.pictures import (
    bmp,
    bmp_file,
    bmp_palette,
    bmp_runs,
    bmp_words,
    encode,
    grey16,
    png,
    street,
    street_as,
)
from models.frame import DecodeTarget

MAX_PIXELS = 36_000_000
SMALL = street().resize((96, 72))
ODD = street().resize((97, 71))
DECODER = Decoder(MAX_PIXELS)
JPEG_TOLERANCE = 12
"""Largest mean difference of a level, 0..255, between a picture and its decoded twin."""


def pixels(body: bytes) -> NDArray[np.uint8]:
    frame = DECODER.whole(body)
    return frame.rgb(frame.source_size_wh)


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
    frame = DECODER.whole(body)
    assert frame.source_size_wh == SMALL.size
    difference = np.abs(frame.rgb(SMALL.size).astype(int) - np.asarray(twin.convert("RGB")).astype(int))
    assert difference.mean() <= tolerance


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("top_down", [False, True], ids=["bottom-up", "top-down"])
@pytest.mark.parametrize("gap_bytes", [0, 10])
def test_bmp_as_cameras_write_it(bits: int, top_down: bool, gap_bytes: int) -> None:  # noqa: FBT001  # a table's column
    frame = pixels(bmp(ODD, bits, top_down=top_down, gap_bytes=gap_bytes))
    difference = np.abs(frame.astype(int) - np.asarray(ODD).astype(int))
    assert difference.max() <= (8 if bits == 16 else 0)


MASKS = {
    "5-6-5": (16, (0xF800, 0x07E0, 0x001F)),
    "5-5-5": (16, (0x7C00, 0x03E0, 0x001F)),
    "4-4-4": (16, (0x0F00, 0x00F0, 0x000F)),
    "2-3-1": (16, (0x0030, 0x000E, 0x0001)),
    "8-8-0": (16, (0xFF00, 0x00FF, 0)),
    "8-8-8": (32, (0xFF0000, 0x00FF00, 0x0000FF)),
    "red first": (32, (0x0000FF, 0x00FF00, 0xFF0000)),
    "high bytes": (32, (0xFF000000, 0x00FF0000, 0x0000FF00)),
    "10-10-10": (32, (0x3FF00000, 0x000FFC00, 0x000003FF)),
    "12-12-8": (32, (0xFFF00000, 0x000FFF00, 0x000000FF)),
}


@pytest.mark.parametrize(("bits", "masks"), MASKS.values(), ids=list(MASKS))
@pytest.mark.parametrize("header_bytes", [52, 56, 108, 124], ids=["V2", "V3", "V4", "V5"])
def test_bmp_with_any_bit_fields(bits: int, masks: tuple[int, int, int], header_bytes: int) -> None:
    bodies = [bmp_words(ODD, bits, masks, header_bytes), bmp_words(ODD, bits, masks)]
    for channel, mask in enumerate(masks):
        step = 255 if not mask else 255 / (mask // (mask & -mask))
        expected = np.asarray(ODD)[..., channel].astype(int) * bool(mask)
        for body in bodies:
            assert np.abs(pixels(body)[..., channel] - expected).max() <= step / 2 + 1


@pytest.mark.parametrize("masks", [(0xF0F0, 0x0F00, 0x000F), (0x1F0000, 0x07E0, 0x001F)], ids=["gaps", "too wide"])
def test_bmp_with_impossible_bit_fields_is_refused(masks: tuple[int, int, int]) -> None:
    with pytest.raises(UndecodableFrameError):
        DECODER.whole(bmp_words(ODD, 16, masks))


def patched(body: bytes, at: int, number: int) -> bytes:
    """Return a BMP with one number in its headers changed."""
    return body[:at] + struct.pack("<I", number) + body[at + 4 :]


@pytest.mark.parametrize("offset", [1, 14, 20, 53])
def test_bmp_with_nonsense_headers_is_refused(offset: int) -> None:
    with pytest.raises(UndecodableFrameError):
        DECODER.whole(patched(bmp(ODD, 24), 10, offset))


@pytest.mark.parametrize("header_bytes", [0, 16, 41, 2**32 - 1])
def test_bmp_with_a_header_of_no_known_size_is_refused(header_bytes: int) -> None:
    with pytest.raises(UndecodableFrameError):
        DECODER.whole(patched(bmp(ODD, 24), 14, header_bytes))


def test_bmp_without_an_offset_has_its_pixels_behind_the_headers() -> None:
    np.testing.assert_array_equal(pixels(patched(bmp(ODD, 24), 10, 0)), np.asarray(ODD))


def test_bmp_with_the_short_header() -> None:
    pixels_behind = bmp(ODD, 24)[54:]
    core = struct.pack("<IHHHH", 12, ODD.width, ODD.height, 1, 24)
    file_header = struct.pack("<2sIHHI", b"BM", 26 + len(pixels_behind), 0, 0, 26)
    np.testing.assert_array_equal(pixels(file_header + core + pixels_behind), np.asarray(ODD))


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_with_a_palette(bits: int) -> None:
    picture = ODD.quantize(1 << bits)
    np.testing.assert_array_equal(pixels(bmp_palette(picture, bits)), np.asarray(picture.convert("RGB")))


def test_bmp_compressed_by_runs() -> None:
    picture = ODD.quantize(16)
    np.testing.assert_array_equal(pixels(bmp_runs(picture)), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("size_wh", [(0, 5), (5, 0), (-5, 5)])
def test_bmp_of_impossible_size_is_refused(size_wh: tuple[int, int]) -> None:
    with pytest.raises(UndecodableFrameError):
        DECODER.whole(bmp_file(size_wh, 24, np.zeros((5, 15), np.uint8)))


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_keeps_its_high_bytes(channels: int) -> None:
    levels = (np.arange(4 * 5 * channels).reshape(4, 5, channels) * 1000).astype(">u2")
    body = png((5, 4), 16, 2 if channels == 3 else 6, levels)
    np.testing.assert_array_equal(pixels(body), (levels >> 8).astype(np.uint8)[..., :3])


def test_a_palette_with_transparency_keeps_its_colours() -> None:
    palette = SMALL.convert("P")
    body = encode(palette, "PNG", transparency=bytes(range(0, 256, 2)))
    np.testing.assert_array_equal(pixels(body), np.asarray(palette.convert("RGB")))


def test_transparent_pixels_keep_their_colour() -> None:
    clear_red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (pixels(encode(clear_red, "PNG")) == [255, 0, 0]).all()


def test_exif_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = encode(SMALL, "JPEG", quality=95, exif=exif.tobytes())
    assert np.abs(pixels(body).astype(int) - np.asarray(SMALL)).mean() <= JPEG_TOLERANCE


def modes() -> list[bytes]:
    """Return one body per kind of picture that takes its own path through the decoders."""
    kinds = [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "L"),
        ("PNG", "P"),
    ]
    encoded = [encode(street().convert(mode), name) for name, mode in kinds]
    words = [bmp_words(street(), bits, masks) for bits, masks in (MASKS["5-6-5"], MASKS["10-10-10"])]
    return [*encoded, encode(grey16(street()), "PNG"), *words, *(bmp(street(), bits) for bits in (24, 32))]


@pytest.mark.parametrize("size_wh", [(300, 300), (96, 96), (180, 250), (20, 20), (900, 700)])
@pytest.mark.parametrize("body", modes(), ids=lambda body: body[:2].hex())
def test_the_models_size_is_the_plain_picture_resized(body: bytes, size_wh: tuple[int, int]) -> None:
    frame = DECODER.encoded(body, DecodeTarget(size_wh))
    assert frame.source_size_wh == (768, 576)
    assert frame.pixels_hwc.shape[1::-1] == size_wh
    difference = np.abs(frame.rgb(size_wh).astype(int) - DECODER.whole(body).rgb(size_wh).astype(int))
    assert difference.mean() <= 2


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "BMP"])
def test_scaling_shifts_nothing_when_the_sides_do_not_divide(name: str) -> None:
    """A ramp from left to right stays the same ramp, at every width around a step of the scale."""
    for width in range(80, 100):
        ramp = np.tile(np.linspace(0, 255, width), (8 * 20 + 3, 1)).astype(np.uint8)
        body = encode(Image.fromarray(ramp).convert("RGB"), name)
        frame = DECODER.encoded(body, DecodeTarget((20, 20)))
        difference = frame.rgb((20, 20)).astype(float) - DECODER.whole(body).rgb((20, 20))
        assert abs(difference.mean()) < 1
        assert np.abs(difference[:, 2:-2]).max() <= 3


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_picture_cut_anywhere_is_refused_unless_every_pixel_is_there(name: str) -> None:
    body = encode(SMALL, name)
    whole = pixels(body)
    for length in [*range(0, len(body), 7), *range(len(body) - 30, len(body))]:
        try:
            cut = pixels(body[:length])
        except UndecodableFrameError:
            continue
        np.testing.assert_array_equal(cut, whole)


KINDS: dict[str, dict[str, int]] = {
    "4:2:0": {"subsampling": 2},
    "4:4:4": {"subsampling": 0},
    "restarts": {"restart_marker_rows": 1},
    "progressive": {"progressive": 1},
    "progressive with restarts": {"progressive": 1, "restart_marker_rows": 1},
}
"""How JPEGs may be coded: options of Pillow's encoder."""
END_OF_IMAGE = b"\xff\xd9"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_cut_short_is_refused_whatever_stands_at_its_end(kind: str, mode: str, route: RouteName) -> None:
    """But for a progressive one cut at the end of a scan: that is a whole picture, of less detail."""
    decoder, target = Decoder(MAX_PIXELS, route), DecodeTarget((40, 30))
    body = encode(ODD.convert(mode), "JPEG", **KINDS[kind])
    for share in (0.4, 0.55, 0.8, 0.9):
        for end in (b"", END_OF_IMAGE, b"\xff", b"dhav\x59\x19\x01\0"):
            with pytest.raises(UndecodableFrameError, match="damaged or incomplete"):
                decoder.encoded(body[: int(len(body) * share)] + end, target)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_needs_no_end_marker(kind: str, mode: str, route: RouteName) -> None:
    """Nor do bytes before or behind its place matter: cameras send buffers that are too long."""
    decoder, target = Decoder(MAX_PIXELS, route), DecodeTarget((40, 30))
    for number in range(8):
        body = encode(ODD.crop((number, number, 90, 66)).convert(mode), "JPEG", quality=30 + 9 * number, **KINDS[kind])
        expected = decoder.encoded(body, target).rgb((40, 30))
        for end in (b"", b"\0\0", bytes(4096), b"dhav\x59\x19\x01\0", b"\xff", b"\0" + END_OF_IMAGE):
            np.testing.assert_array_equal(decoder.encoded(body[:-2] + end, target).rgb((40, 30)), expected)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_that_lacks_some_bytes_lacks_no_more_than_its_last_blocks(mode: str) -> None:
    """libjpeg reads eight bytes ahead, so a smaller cut may go unnoticed."""
    body = encode(ODD.convert(mode), "JPEG", quality=95)
    whole = pixels(body)
    for cut in range(1, 60):
        try:
            taken = pixels(body[: -2 - cut] + END_OF_IMAGE)
        except UndecodableFrameError:
            continue
        rows, columns = np.nonzero((taken != whole).any(axis=2))
        assert (rows >= 64 - 1).all()
        assert (columns >= 80 - 1).all()
    with pytest.raises(UndecodableFrameError):
        pixels(body[:-62] + END_OF_IMAGE)


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("top_down", [False, True], ids=["bottom-up", "top-down"])
def test_the_last_row_of_a_bmp_may_lack_its_padding(bits: int, top_down: bool) -> None:  # noqa: FBT001  # a table's column
    body = bmp(ODD, bits, top_down=top_down)
    padding = -(ODD.width * bits // 8) % 4
    np.testing.assert_array_equal(pixels(body[: len(body) - padding]), pixels(body))
    with pytest.raises(UndecodableFrameError):
        pixels(body[: len(body) - padding - 1])


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_nor_does_that_of_a_bmp_with_a_palette_need_it(bits: int) -> None:
    body = bmp_palette(ODD.quantize(1 << bits), bits)
    padding = -((ODD.width * bits + 7) // 8) % 4
    np.testing.assert_array_equal(pixels(body[: len(body) - padding]), pixels(body))
    with pytest.raises(UndecodableFrameError):
        pixels(body[: len(body) - padding - 1])


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
        pytest.param(b"RIFF\0\0\0\0WEBP", id="a webp signature alone"),
    ],
)
def test_bytes_that_are_no_picture_are_refused(body: bytes) -> None:
    with pytest.raises(UndecodableFrameError):
        DECODER.whole(body)


def with_scans(picture: Image.Image, scans: int) -> bytes:
    """Return a progressive JPEG whose first scan is repeated."""
    body = encode(picture, "JPEG", progressive=True)
    start = body.index(b"\xff\xda")
    end = body.index(b"\xff\xc4", start)
    return body[:end] + body[start:end] * (scans - body.count(b"\xff\xda")) + body[end:]


def test_as_many_scans_as_there_may_be() -> None:
    DECODER.whole(with_scans(SMALL, 100))
    with pytest.raises(UndecodableFrameError, match="The JPEG picture has 101 scans"):
        DECODER.whole(with_scans(SMALL, 101))


def test_a_large_picture_may_have_fewer_scans() -> None:
    body = with_scans(SMALL, 21)
    enough = -(-96 * 72 * 21 // 20)
    Decoder(enough).whole(body)
    with pytest.raises(UndecodableFrameError, match="The JPEG picture has 21 scans"):
        Decoder(enough - 1).whole(body)


def bomb(width: int, height: int) -> bytes:
    """Return a PNG whose header promises this many pixels but which has none."""
    return png((width, height), 8, 2, np.zeros((0, 0, 0), np.uint8))


@pytest.mark.parametrize("size_wh", [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (36_000_001, 1)])
def test_too_many_pixels_are_refused_by_the_header_alone(size_wh: tuple[int, int]) -> None:
    with pytest.raises(TooManyPixelsError, match=f"{size_wh[0]} x {size_wh[1]} pixels"):
        DECODER.whole(bomb(*size_wh))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP"])
def test_the_pixel_limit_is_exact(name: str) -> None:
    body = street_as(name)
    Decoder(768 * 576).whole(body)
    with pytest.raises(TooManyPixelsError):
        Decoder(768 * 576 - 1).whole(body)


@given(st.sampled_from(sorted(CODECS)), st.data())
def test_corrupt_pictures_decode_or_are_refused(media_type: str, data: st.DataObject) -> None:
    body = bytearray(encode(SMALL, CODECS[media_type].name))
    for _ in range(data.draw(st.integers(1, 20), label="bytes changed")):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = DECODER.encoded(bytes(body), DecodeTarget((30, 30)))
    except EdgeError:
        return
    assert frame.pixels_hwc.shape[:2] == (30, 30)


@pytest.mark.parametrize(("name", "mode"), [("JPEG", "RGB"), ("PNG", "RGB"), ("BMP", "P")])
def test_pillow_reads_only_the_format_that_the_bytes_announce(
    name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = Image.open

    def spy(body: io.BytesIO, formats: tuple[str, ...]) -> Image.Image:
        asked.append(formats)
        return original(body, formats=formats)

    monkeypatch.setattr(Image, "open", spy)
    DECODER.whole(encode(SMALL.convert(mode), name))
    assert asked == [(name,)]


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_refuses_alike(route: RouteName) -> None:
    decoder = Decoder(768 * 576, route)
    target = DecodeTarget((300, 300))
    for body in (street_as("JPEG")[:50_000], b"\xff\xd8", b"BM", street_as("PNG")[:50_000]):
        with pytest.raises(UndecodableFrameError):
            decoder.encoded(body, target)
    with pytest.raises(TooManyPixelsError):
        Decoder(768 * 576 - 1, route).encoded(street_as("JPEG"), target)
    with pytest.raises(UndecodableFrameError, match="scans"):
        decoder.encoded(with_scans(SMALL, 101), target)


@pytest.mark.parametrize("size_wh", [(65_536, 1), (1, 65_536)])
def test_sides_are_limited(size_wh: tuple[int, int]) -> None:
    with pytest.raises(TooManyPixelsError, match="no side may be longer than 65535"):
        DECODER.whole(bomb(*size_wh))


@pytest.mark.parametrize("route", ROUTES)
def test_a_jpeg_longer_than_libjpeg_decodes_is_not_called_damaged(route: RouteName) -> None:
    size = struct.pack(">HH", 1, 65_500)
    body = encode(Image.new("L", (65_500, 1)), "JPEG")
    Decoder(MAX_PIXELS, route).encoded(body, DecodeTarget((30, 30)))
    with pytest.raises(TooManyPixelsError, match="no side may be longer than 65500"):
        Decoder(MAX_PIXELS, route).encoded(body.replace(size, struct.pack(">HH", 1, 65_501), 1), DecodeTarget((30, 30)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(bmp_file((1001, 1000), 8, np.zeros((1, 10), np.uint8), compression=1), id="pixels"),
        pytest.param(bmp_file((10, 10), 8, np.zeros((1, 300), np.uint8), compression=1), id="codes"),
        pytest.param(bmp_file((262_304, 120), 4, np.zeros((1, 300), np.uint8), compression=2), id="a flipped width"),
    ],
)
def test_run_length_coded_files_of_too_much_work_are_refused(body: bytes) -> None:
    with pytest.raises(UndecodableFrameError, match="run-length coded BMP"):
        DECODER.whole(body)


def test_what_libjpeg_leaves_is_not_copied_again_and_again() -> None:
    """Fill bytes before the end: with Pillow's pieces of 64 KiB this takes quadratic time, 10 s for 32 MB."""
    body = encode(SMALL, "JPEG")
    reads: list[int] = []

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            reads.append(1)
            return super().read(size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "BytesIO", Counted)
        DECODER.whole(body[:-2] + b"\xff" * 4_000_000 + body[-2:])
    assert len(reads) < 40
