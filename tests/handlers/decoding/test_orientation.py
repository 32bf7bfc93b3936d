"""EXIF orientation: read as Pillow reads it from good files, ignored where it is malformed, applied on every route."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from handlers.decoding.decoder import ROUTES, Decoder, RouteName
from handlers.decoding.encoded import CODECS, turn_of
from handlers.decoding.formats.orientation import MAX_ENTRIES, MAX_SEGMENTS, jpeg_exif, png_exif, read_orientation
from handlers.decoding.formats.webp import exif as webp_exif
from handlers.decoding.raw import tight
from handlers.decoding.turning import AS_STORED, TURNS
from lab.pictures import ORIENTATION, encode, lying, street
from models.frame import Body, DecodeTarget, Pixels
from models.letterbox import ResizeMode
from tests.support.cost import costs_at_most

DECODER = Decoder(36_000_000)
PHOTO = street().resize((203, 151))
TURNED = range(1, 9)
FORMATS = ("JPEG", "PNG", "WEBP")
MODES: tuple[ResizeMode, ...] = (
    "stretch",
    "letterbox",
    "letterbox_top_left",
    "centre_crop",
    "stretch_crop",
    "within",
)
MANY = 8_000_000
"""Bytes; a loop in Python would take seconds over as many."""


def exif(value: int, order: str = "<", kind: int = 3, values: int = 1, before: int = 0) -> bytes:
    """Return a block of EXIF with the tag behind `before` other ones."""
    others = struct.pack(f"{order}HHII", 0x010F, 2, 1, 0) * before
    entry = struct.pack(f"{order}HHIHH", ORIENTATION, kind, values, value, 0)
    header = (b"II\x2a\0" if order == "<" else b"MM\0\x2a") + struct.pack(f"{order}I", 8)
    return header + struct.pack(f"{order}H", before + 1) + others + entry + bytes(4)


def segment(content: bytes, marker: int = 0xE1) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(content)) + content


def jpeg(*segments: bytes) -> bytes:
    """Return the photo as JPEG with these segments first."""
    return b"\xff\xd8" + b"".join(segments) + encode(PHOTO, "JPEG")[2:]


def upright(body: bytes) -> Pixels:
    """Return the pixels as Pillow turns them."""
    with Image.open(io.BytesIO(body)) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("orientation", TURNED)
def test_every_orientation_is_turned_as_pillow_turns_it(name: str, orientation: int) -> None:
    body = lying(PHOTO, orientation, name)
    for file in (body, memoryview(body)):
        frame = DECODER.whole(file, upright=True)
        np.testing.assert_array_equal(frame.rgb(PHOTO.size), upright(body))
        assert frame.source_size_wh == PHOTO.size
        assert frame.is_whole
    assert DECODER.whole(body).source_size_wh == (PHOTO.size if orientation < 5 else PHOTO.size[::-1])


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("orientation", TURNED)
def test_a_turned_picture_is_scaled_like_an_upright_one(route: RouteName, mode: ResizeMode, orientation: int) -> None:
    """One level of difference: the two passes of a resizing round in the other order."""
    decoder, target = Decoder(36_000_000, route), DecodeTarget((60, 44), mode, 0.875)
    frame = decoder.frame(lying(PHOTO, orientation, "PNG"), None, target, upright=True)
    expected = decoder.frame(encode(PHOTO, "PNG"), None, target)
    assert (frame.source_size_wh, frame.region_xyxy) == (expected.source_size_wh, expected.region_xyxy)
    letterbox = target.letterbox(PHOTO.size)
    difference = frame.rgb_in(letterbox).astype(int) - expected.rgb_in(letterbox)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("orientation", TURNED)
def test_a_jpeg_decoded_in_part_is_turned_too(orientation: int) -> None:
    """Whose last columns and rows are cut from blocks: 1/2 of 203 columns are 101 and a half."""
    frame = DECODER.frame(lying(PHOTO, orientation), None, DecodeTarget((80, 60)), upright=True)
    expected = DECODER.frame(lying(PHOTO, 1), None, DecodeTarget((80, 60)))
    assert np.abs(frame.rgb((80, 60)).astype(int) - expected.rgb((80, 60))).mean() < 3


@pytest.mark.parametrize("orientation", TURNED)
def test_luma_is_turned_too(orientation: int) -> None:
    luma, size_wh = DECODER.luma(lying(PHOTO, orientation, "PNG"), upright=True)
    expected, _ = DECODER.luma(encode(PHOTO, "PNG"))
    assert (size_wh, luma.shape) == (PHOTO.size, expected.shape)
    assert np.abs(luma.astype(int) - expected).max() <= 1


def test_a_raw_frame_and_a_bmp_have_no_orientation() -> None:
    layout = tight("rgb24", PHOTO.size)
    raw = PHOTO.tobytes()
    np.testing.assert_array_equal(DECODER.whole(raw, layout, upright=True).pixels_hwc, np.asarray(PHOTO))
    assert turn_of(encode(PHOTO, "BMP")) == AS_STORED
    assert turn_of(b"no picture") == AS_STORED


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", TURNED)
def test_both_byte_orders_are_read(order: str, orientation: int) -> None:
    block = exif(orientation, order=order, before=3)
    assert read_orientation(block) == read_orientation(b"Exif\0\0" + block) == orientation


MALFORMED = {
    "nothing": b"",
    "no byte order": b"XX" + exif(6)[2:],
    "no TIFF": b"II\x2b\0" + exif(6)[4:],
    "0": exif(0),
    "9": exif(9),
    "65535": exif(65535),
    "a long": exif(6, kind=4),
    "a byte": exif(6, kind=1),
    "text": exif(6, kind=2),
    "two values": exif(6, values=2),
    "no value": exif(6, values=0),
    "very many values": exif(6, values=2**32 - 1),
    "an offset into itself": exif(6)[:4] + struct.pack("<I", 0) + exif(6)[8:],
    "an offset behind the end": exif(6)[:4] + struct.pack("<I", 2**32 - 1) + exif(6)[8:],
    "an offset at the end": exif(6)[:4] + struct.pack("<I", len(exif(6)) - 1) + exif(6)[8:],
    "too many tags before": exif(6, before=MAX_ENTRIES),
    "a count that lies": exif(6)[:8] + b"\0\0" + exif(6)[10:],
    "the first of two counts": exif(9)[:8] + b"\2\0" + exif(9)[10:22] + exif(6)[10:],
    **{f"cut at {length}": exif(6)[:length] for length in range(19)},
}


@pytest.mark.parametrize("block", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_counts_as_no_orientation(block: bytes) -> None:
    assert read_orientation(block) == 1
    body = jpeg(segment(b"Exif\0\0" + block))
    np.testing.assert_array_equal(DECODER.whole(body, upright=True).pixels_hwc, DECODER.whole(body).pixels_hwc)


def test_the_tag_is_found_though_the_block_is_cut_behind_it() -> None:
    assert read_orientation(exif(6)[:20]) == 6
    assert read_orientation(exif(6, before=MAX_ENTRIES - 1)) == 6
    assert read_orientation(exif(6)[:4] + struct.pack("<I", 60_000) + bytes(59_992) + exif(6)[8:]) == 6


@pytest.mark.parametrize(
    ("segments", "orientation"),
    [
        pytest.param([segment(b"Exif\0\0" + exif(6)), segment(b"Exif\0\0" + exif(3))], 6, id="the first of two"),
        pytest.param([segment(b"http://ns.adobe.com/xap/1.0/\0"), segment(b"Exif\0\0" + exif(6))], 6, id="behind XMP"),
        pytest.param([segment(b"x", 0xE2)] * 9 + [segment(b"Exif\0\0" + exif(6))], 6, id="behind a profile"),
        pytest.param([segment(b"", 0xFE)] * MAX_SEGMENTS + [segment(b"Exif\0\0" + exif(6))], 1, id="behind too many"),
        pytest.param([b"\xff\xff" + segment(b"Exif\0\0" + exif(6))], 6, id="behind fill bytes"),
        pytest.param([b"junk", segment(b"Exif\0\0" + exif(6))], 1, id="behind junk"),
        pytest.param([segment(b"Exif\0\0" + exif(6), 0xE2)], 1, id="in another segment"),
        pytest.param([segment(exif(6))], 1, id="without its name"),
        pytest.param([b"\xff\xe1\0\0", segment(b"Exif\0\0" + exif(6))], 6, id="behind a length of zero"),
    ],
)
def test_the_block_of_a_jpeg_is_found(segments: list[bytes], orientation: int) -> None:
    assert read_orientation(jpeg_exif(jpeg(*segments))) == orientation


def test_the_block_behind_the_pixels_is_not_one_of_a_jpeg() -> None:
    body = encode(PHOTO, "JPEG")
    assert jpeg_exif(body[:-2] + segment(b"Exif\0\0" + exif(6)) + body[-2:]) == b""


def test_the_block_behind_the_pixels_of_a_png_counts() -> None:
    body, block = encode(PHOTO, "PNG"), exif(6)
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + bytes(4)
    assert turn_of(body[:-12] + chunk + body[-12:]) == TURNS[6]
    assert turn_of(body + chunk) == AS_STORED


LONG: dict[str, bytes] = {
    "JPEG of fill bytes": b"\xff\xd8" + b"\xff" * MANY,
    "JPEG of empty segments": b"\xff\xd8" + b"\xff\xe1\0\2" * (MANY // 4),
    "JPEG of segments of no length": b"\xff\xd8" + b"\xff\xe1\0\0" * (MANY // 4),
    "PNG of empty chunks": b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0teXt\0\0\0\0" * (MANY // 12),
    "PNG of one block": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", MANY) + b"eXIf" + exif(9) + bytes(MANY),
    "WebP of empty chunks": b"RIFF\0\0\0\0WEBP" + b"XXXX\0\0\0\0" * (MANY // 8),
    "a block of tags": b"RIFF\0\0\0\0WEBPEXIF" + struct.pack("<I", 800_000) + exif(9, before=65_534),
}


@pytest.mark.parametrize("body", LONG.values(), ids=LONG)
def test_looking_for_the_tag_costs_little(body: bytes) -> None:
    with costs_at_most(0.2):
        assert turn_of(body) == AS_STORED


@given(st.sampled_from(FORMATS), st.sampled_from(TURNED), st.data())
def test_a_damaged_file_is_read_without_an_error(name: str, orientation: int, data: st.DataObject) -> None:
    body = bytearray(lying(PHOTO.resize((16, 12)), orientation, name))
    at = body.index(b"\x12\1" if b"II\x2a" in body else b"\1\x12")  # the tag: most changes are near it
    near = st.integers(max(0, at - 40), min(len(body), at + 40) - 1)
    for _ in range(data.draw(st.integers(1, 12), label="bytes changed")):
        body[data.draw(near)] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    assert turn_of(bytes(body)) in TURNS.values()
    assert turn_of(cut) in TURNS.values()


@given(st.binary(max_size=400), st.sampled_from([jpeg_exif, png_exif, webp_exif, read_orientation]))
def test_any_bytes_are_read_without_an_error(body: bytes, read: object) -> None:
    for start in (
        b"",
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF1234WEBP",
        b"II\x2a\0\x08\0\0\0",
        b"MM\0\x2a\0\0\0\x08",
    ):
        found: Body | int = read(start + body)  # type: ignore[operator]
        assert found in TURNS if isinstance(found, int) else len(found) <= len(start + body)


def test_no_codec_is_forgotten() -> None:
    """A new format says where its files have EXIF, or is listed here as one that has none."""
    without = [codec.name for codec in CODECS.values() if codec.exif(lying(PHOTO, 6, codec.name.upper())) == b""]
    assert without == ["BMP"]
