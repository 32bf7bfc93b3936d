"""What decoders see of a file: neither metadata nor junk, and whatever else changes no pixel."""

import io
import pickle
import re
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handlers.decoding import encoded, essence
from handlers.decoding.decoder import ROUTES, Decoder, RouteName
from handlers.decoding.encoded import CODECS
from handlers.decoding.raw import LAYOUTS, layout_bytes, tight
from handlers.deepstack.predictions import ENCODERS as DIALECT_ENCODERS
from handlers.encoding.encoders import ENCODERS
from handlers.encoding.lane_codec import LaneCodec
from handlers.errors import UndecodableFrameError
from lab import ROOT
from lab.pictures import encode, street
from models.frame import DecodeTarget, Frame, PixelFormat, Pixels
from models.order import FrameOrder
from tests.support.cost import costs_at_most
from tools.hostile.pictures import WRITERS, photo

SMALL = street().resize((96, 72))
DECODER, TARGET = Decoder(36_000_000), DecodeTarget((40, 30))
SECRET = b"a secret of its own"
MANY = 8_000_000
"""Bytes; a loop in Python would take seconds over as many."""


def segment(marker: int, content: bytes = b"") -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(content)) + content


def chunk(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


EXIF = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\1" + struct.pack(">HHLL", 0x010E, 2, len(SECRET), 26) + bytes(4) + SECRET
METADATA = {
    "comment": segment(0xFE, SECRET),
    "exif": segment(0xE1, EXIF),
    "profile": segment(0xE2, b"ICC_PROFILE\0\1\1" + SECRET),
    "pictures": segment(0xE2, b"MPF\0MM\0\x2a\0\0\0\x08" + SECRET),
    "photoshop": segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\x13" + SECRET),
    "jfif with a thumbnail": segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\2\2" + SECRET),
    "adobe with more": segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + SECRET),
    "other applications": segment(0xE7, SECRET) + segment(0xEB, SECRET),
    "lines and conditioning": segment(0xDC, b"\0\1") + segment(0xCC, b"\0\0"),
    "fill bytes": b"\xff" * 9,
    "junk": SECRET + b"\xff\0" + SECRET,
    "markers alone": b"\xff\1\xff\xd3\xff\xd7",
}
CHUNKS = {
    "text": chunk(b"tEXt", b"a\0" + SECRET),
    "profile": chunk(b"iCCP", b"a\0\0" + zlib.compress(SECRET)) * 2,
    "animation": chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fdAT", bytes(4) + SECRET),
    "exif": chunk(b"eXIf", EXIF[6:]),
    "transparency": chunk(b"tRNS", bytes(6)),
    "unknown": chunk(b"prIV", SECRET),
    "a wrong checksum": chunk(b"gAMA", SECRET)[:-1] + b"\0",
}


def places(body: bytes) -> list[int]:
    """Return where a segment of a JPEG begins, up to its scan."""
    found = [2]
    while body[found[-1] + 1] != essence.SOS:
        found.append(found[-1] + 2 + int.from_bytes(body[found[-1] + 2 : found[-1] + 4]))
    return found


@pytest.mark.parametrize("name", METADATA)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_nothing_but_the_picture_of_a_jpeg_is_seen(name: str, options: dict[str, int]) -> None:
    body = encode(SMALL, "JPEG", **options)
    for at in places(body):
        more = body[:at] + METADATA[name] + body[at:]
        assert SECRET not in essence.jpeg(more)
        np.testing.assert_array_equal(pixels(more), pixels(body))


@pytest.mark.parametrize("name", CHUNKS)
@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_nothing_but_the_picture_of_a_png_is_seen(name: str, mode: str) -> None:
    body = encode(SMALL.convert(mode), "PNG")
    for at in (33, body.index(b"IDAT") - 4, len(body) - 12):
        more = body[:at] + CHUNKS[name] + body[at:]
        assert essence.png(more) == essence.png(body)
        np.testing.assert_array_equal(pixels(more), pixels(body))


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"IDAT"])
def test_a_wrong_checksum_of_pixels_is_damage(name: bytes) -> None:
    body = bytearray(encode(SMALL.convert("P"), "PNG"))
    at = body.index(name)
    body[at + 4 + int.from_bytes(body[at - 4 : at])] ^= 1
    with pytest.raises(UndecodableFrameError, match="damaged or incomplete"):
        pixels(bytes(body))


@pytest.mark.parametrize("route", ROUTES)
def test_12_bits_a_sample_are_not_called_damage(route: RouteName) -> None:
    body = encode(SMALL, "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c")
    with pytest.raises(UndecodableFrameError, match="has 12 bits a sample; send one of 8 bits"):
        Decoder(36_000_000, route).encoded(body, TARGET)


def pixels(body: bytes) -> Pixels:
    return DECODER.encoded(body, TARGET).pixels_hwc


@given(st.data())
def test_metadata_anywhere_changes_no_pixel(data: st.DataObject) -> None:
    body = encode(SMALL, "JPEG", progressive=data.draw(st.booleans()))
    for at in sorted(data.draw(st.lists(st.sampled_from(places(body)), max_size=5)), reverse=True):
        content = data.draw(st.sampled_from((b"Exif\0\0", b"MPF\0", b"JFIF", b"Adobe", b""))) + data.draw(st.binary())
        marker = data.draw(st.sampled_from((0xE1, 0xE2, 0xED, 0xEF, 0xFE)))
        body = body[:at] + segment(marker, content) + body[at:]
    np.testing.assert_array_equal(pixels(body), pixels(essence.jpeg(body)))
    assert essence.jpeg(essence.jpeg(body)) == essence.jpeg(body)


@pytest.mark.parametrize("transform", [0, 1, 2])
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_the_coding_of_colours_is_seen(mode: str, transform: int) -> None:
    """Pillow alone, which reads all of the file, sees the same."""
    body = encode(SMALL.convert(mode), "JPEG")
    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes((transform,)))
    jfif = re.escape(segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"))
    for marked in (body[:2] + adobe + body[2:], body[:2] + adobe + re.sub(jfif, b"", body[2:], count=1)):
        np.testing.assert_array_equal(
            DECODER.whole(marked).pixels_hwc, np.asarray(Image.open(io.BytesIO(marked)).convert("RGB"))
        )


@pytest.mark.parametrize(
    "filling",
    [
        pytest.param(b"\0", id="junk"),
        pytest.param(b"\xff", id="fill bytes"),
        pytest.param(b"\xff\0", id="stuffed bytes"),
        pytest.param(b"\xff\1", id="TEM"),
        pytest.param(b"\xff\xd5", id="restart markers"),
        pytest.param(segment(0xE3, bytes(65_000)), id="long segments"),
    ],
)
@pytest.mark.parametrize("place", ["header", "scan"])
def test_what_is_skipped_costs_next_to_nothing(filling: bytes, place: str) -> None:
    body = encode(SMALL, "JPEG")
    at = 2 if place == "header" else len(body) - 2
    full = body[:at] + filling * (MANY // len(filling)) + body[at:]
    with costs_at_most(2):
        essence.jpeg(full)


HIDDEN = b"\xff\xf0\xff\xff" + b"\xff\xfe\0\2" * 20_000
"""FFF0 has no length for Pillow, but one by the standard."""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(segment(0xFE) * 1000, "1000 segments", id="comments"),
        pytest.param(b"\0" + segment(0xFE) * 2_000_000, "1000 segments", id="comments behind junk"),
        pytest.param(segment(0xE1, b"Exif\0\0") * 1000, "1000 segments", id="exif"),
        pytest.param(segment(0xDB, b"\0" + bytes(64)) * 1000, "1000 segments", id="small tables"),
        pytest.param(segment(0xDB, (b"\0" + bytes(64)) * 1000) * 3, "tables of more than", id="many tables"),
        pytest.param(HIDDEN, "damaged", id="hidden comments"),
    ],
)
def test_jpegs_of_too_many_parts_are_refused(more: bytes, message: str) -> None:
    body = encode(SMALL, "JPEG")
    for at in (places(body)[1], len(body) - 2):
        with pytest.raises(UndecodableFrameError, match=message), costs_at_most(2):
            DECODER.encoded(body[:at] + more + body[at:], TARGET)


def test_as_many_parts_as_there_may_be() -> None:
    jpeg, png = encode(SMALL, "JPEG"), encode(SMALL, "PNG")
    np.testing.assert_array_equal(pixels(jpeg[:2] + segment(0xFE) * 900 + jpeg[2:]), pixels(jpeg))
    np.testing.assert_array_equal(pixels(png[:33] + chunk(b"teXt") * 9_990 + png[33:]), pixels(png))
    with pytest.raises(UndecodableFrameError, match="10000 chunks"):
        pixels(png[:33] + chunk(b"teXt") * 10_000 + png[33:])


@pytest.mark.parametrize("frame_header", sorted(essence.OTHER_FRAMES), ids=hex)
def test_codings_that_no_camera_writes_are_refused(frame_header: int) -> None:
    body = encode(SMALL, "JPEG").replace(b"\xff\xc0", bytes((0xFF, frame_header)))
    with pytest.raises(UndecodableFrameError, match="arithmetic, lossless or hierarchical"):
        DECODER.encoded(body, TARGET)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_a_body_in_shared_memory_is_the_same_picture(kind: str, route: RouteName) -> None:
    decoder = pickle.loads(pickle.dumps(Decoder(36_000_000, route)))  # our own
    body = WRITERS[kind](photo((96, 72)))
    for shared in (memoryview(body), memoryview(bytearray(body)), memoryview(b"before" + body + b"behind")[6:-6]):
        assert_same(decoder.frame(shared, None, TARGET), Decoder(36_000_000, route).frame(body, None, TARGET))
        assert encoded.format_of(shared) == encoded.format_of(body)


@pytest.mark.parametrize("pixel_format", LAYOUTS)
def test_a_raw_frame_in_shared_memory_is_the_same_picture(pixel_format: PixelFormat) -> None:
    layout = tight(pixel_format, (96, 72))
    body = np.random.default_rng(1).bytes(layout_bytes(layout))
    shared = memoryview(b"before" + body + b"behind")[6:-6]
    assert_same(DECODER.frame(shared, layout, TARGET), DECODER.frame(body, layout, TARGET))


def assert_same(frame: Frame, other: Frame) -> None:
    np.testing.assert_array_equal(frame.rgb((40, 30)), other.rgb((40, 30)))
    assert (frame.source_size_wh, frame.region_xyxy) == (other.source_size_wh, other.region_xyxy)


def test_every_codec_says_what_its_decoder_needs() -> None:
    """No format can be added without that: the field has no default."""
    for codec in CODECS.values():
        body = encode(SMALL, codec.name)
        assert bytes(codec.essence(body)) == bytes(codec.essence(memoryview(body)))
        assert codec.signature.match(codec.essence(body))
    with pytest.raises(TypeError, match="essence"):
        encoded.Codec("GIF", re.compile(b"GIF8"))  # type: ignore[call-arg]


def test_what_decodes_and_encodes_can_be_sent_to_another_process() -> None:
    codec = LaneCodec(Decoder(36_000_000), ENCODERS | DIALECT_ENCODERS)
    sent = pickle.loads(pickle.dumps(codec))  # our own
    order = FrameOrder(encode(SMALL, "JPEG"))
    assert sent.encoders == codec.encoders
    assert_same(sent.decode(order, TARGET), codec.decode(order, TARGET))


WARNED = """
import warnings
import handlers.decoding.encoded
from tests.support.cost import costs_at_most
remembered = {}
for number in range(9):
    warnings.warn_explicit(f"odd tag {number}", UserWarning, "x.py", 1, "PIL.TiffImagePlugin", remembered)
    warnings.warn_explicit(f"odd tag {number}", UserWarning, "x.py", 1, "PIL.Image", remembered)
assert not {key for key in remembered if key != "version"}, remembered
"""


def test_what_pillow_warns_of_is_neither_logged_nor_remembered() -> None:
    done = subprocess.run([sys.executable, "-c", WARNED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
