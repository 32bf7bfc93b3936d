"""Bodies that are no picture of ours are named by what they look like."""

import base64
import re

import pytest

from handlers.decoding import foreign
from handlers.decoding.encoded import CODECS, FORMAT_NAMES
from lab.pictures import encode, street, street_as

SMALL = street().resize((96, 72))
LOOKS = {
    "a form": b'--------------------------d74496d66958873e\r\nContent-Disposition: form-data; name="image"\r\n\r\n',
    "a GIF picture": encode(SMALL, "GIF"),
    "an AVIF picture": b"\0\0\0\x20ftypavif\0\0\0\0",
    "a HEIC picture": b"\0\0\0\x18ftypheic\0\0\0\0",
    "a JPEG XL picture": b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a",
    "a JPEG 2000 picture": b"\0\0\0\x0cjP  \x0d\x0a\x87\x0a",
    "a TIFF picture": encode(SMALL, "TIFF"),
    "an SVG picture": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "H.264 or H.265 video": b"\0\0\0\1\x67\x42\xc0\x1e\xd9",
    "MP4 video": b"\0\0\0\x20ftypisom\0\0\2\0",
    "Matroska or WebM video": b"\x1a\x45\xdf\xa3\x9f\x42\x86",
    "AVI video": b"RIFF\x24\x30\0\0AVI LIST",
    "MPEG-TS video": (b"G\x40\0\x10" + bytes(184)) * 2,
    "FLV video": b"FLV\1\5\0\0\0\x09",
    "a PDF document": b"%PDF-1.7\n",
    "a compressed file": b"\x1f\x8b\x08\0\0\0\0\0",
    "a NumPy array": b"\x93NUMPY\1\0",
    "HTML": b"<!DOCTYPE html>\n<html>",
    "XML": b'<?xml version="1.0"?><soap:Envelope/>',
    "JSON": b'{"image": "AAAA"}',
    "base64": base64.b64encode(street_as("JPEG")),
    "the fields of a form": b"image=%FF%D8%FF",
    "text": b"HTTP/1.1 401 Unauthorized\r\n",
}


@pytest.mark.parametrize("kind", foreign.KINDS, ids=lambda kind: kind.name)
def test_every_kind_is_told(kind: foreign.Kind) -> None:
    sentence = foreign.refusal(LOOKS[kind.name], FORMAT_NAMES)
    assert sentence.startswith(f"This is not a JPEG, PNG, WebP or BMP picture; it looks like {kind.name}. Send ")


@pytest.mark.parametrize("name", [codec.name for codec in CODECS.values()])
def test_ours_in_base64_is_told(name: str) -> None:
    assert "looks like base64. " in foreign.refusal(base64.b64encode(encode(SMALL, name)), FORMAT_NAMES)


@pytest.mark.parametrize("body", [b"\0" * 100, b"\xff\xd9", b"\x80\x81" * 50, b"GIF"])
def test_other_bytes_are_not_guessed_at(body: bytes) -> None:
    assert foreign.refusal(body, FORMAT_NAMES).startswith("This is not a JPEG, PNG, WebP or BMP picture: ")


@pytest.mark.parametrize("name", [codec.name for codec in CODECS.values()])
def test_none_of_ours_is_among_them(name: str) -> None:
    assert not any(kind.begins.match(encode(SMALL, name)) for kind in foreign.KINDS)


@pytest.mark.parametrize("mark", [b" ", b"<", b"<?xml", b"--a", b"{", b"G", b"a", b"\0", b"<?xml>"])
def test_no_body_is_expensive_to_look_at(mark: bytes) -> None:
    """Only its head is looked at, however long it is."""
    assert re.match(r"This is not a JPEG, PNG, WebP or BMP picture", foreign.refusal(mark * 10_000_000, FORMAT_NAMES))
