"""Pictures whose decoding or writing costs much more than others of their size."""

import struct

import numpy as np
from PIL import Image

from bench.attacks.victim import Answer, Finding, Victim
from lab.pictures import encode

BODY_BYTES = 31 << 20
LONGEST_S, LONGEST_PROBE_MS, MOST_MIB = 2.0, 250.0, 300.0
"""Of the answer, of a probe meanwhile, and how much more memory the service may keep."""
START_OF_IMAGE, START_OF_SCAN = b"\xff\xd8", b"\xff\xda"
BASELINE_FRAME, ARITHMETIC_FRAME = b"\xff\xc0", b"\xff\xc9"
MOST_LINES = 20
SIDE_PX, MOST_PX = 6000, 65_501


def _photo(width: int = 64, height: int = 64) -> bytes:
    return encode(Image.effect_noise((width, height), 60).convert("RGB"), "JPEG")


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _answered_soon(victim: Victim, body: bytes, target: str = "/inference", accept: str = "*/*") -> Finding:
    before_mib = victim.tree.memory_mib()
    with victim.probed() as probe:
        answer: Answer = victim.ask("POST", target, body, {"Content-Type": "image/jpeg", "Accept": accept})
    more_mib = victim.tree.memory_mib() - before_mib
    figure = f"{answer.status} after {answer.took_s:.1f} s, probe {probe.longest_ms:.0f} ms, {more_mib:+.0f} MiB"
    is_answered = answer.status is not None and answer.status != 500  # noqa: PLR2004
    is_soon = answer.took_s <= LONGEST_S and probe.longest_ms <= LONGEST_PROBE_MS and more_mib <= MOST_MIB
    return Finding(figure, is_answered and is_soon)


def junk_before_comments(victim: Victim) -> Finding:
    """Post a JPEG with a byte between two segments, then eight million empty comments."""
    photo = _photo()
    comments = b"\xff\xfe\x00\x02" * (BODY_BYTES // 4)
    return _answered_soon(victim, START_OF_IMAGE + b"\x00" + comments + photo[2:])


def long_exif_value(victim: Victim) -> Finding:
    """Post a JPEG whose EXIF has one value of four million fractions, over many segments."""
    fractions = (BODY_BYTES - (1 << 16)) // 8
    entry = struct.pack(">HHHII", 1, 0x011A, 5, fractions, 26)
    exif = b"MM\x00\x2a\x00\x00\x00\x08" + entry + b"\x00" * 4 + b"\x00\x00\x00\x01" * (2 * fractions)
    pieces = (exif[place : place + 65_000] for place in range(0, len(exif), 65_000))
    segments = b"".join(_segment(0xE1, b"Exif\x00\x00" + piece) for piece in pieces)
    return _answered_soon(victim, START_OF_IMAGE + segments + _photo()[2:])


def many_photoshop_blocks(victim: Victim) -> Finding:
    """Post a JPEG with APP13 segments full of empty blocks."""
    block = b"8BIM" + struct.pack(">HHI", 0x0404, 0, 0)
    segment = _segment(0xED, b"Photoshop 3.0\x00" + block * (65_000 // len(block)))
    return _answered_soon(victim, START_OF_IMAGE + segment * (BODY_BYTES // len(segment)) + _photo()[2:])


def odd_exif_tags(victim: Victim) -> Finding:
    """Post a JPEG with thousands of EXIF values that lie outside the file: a library may warn of each."""
    tags = 5000
    entries = b"".join(struct.pack(">HHII", 0x8000 + tag, 5, 3, 0x7FFFFFF0 - tag) for tag in range(tags))
    exif = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">H", tags) + entries + b"\x00" * 4
    body = START_OF_IMAGE + _segment(0xE1, exif) + _photo()[2:]
    before = len(victim.log_lines())
    for _ in range(3):
        victim.post(body, media_type="image/jpeg")
    lines = len(victim.log_lines()) - before
    return Finding(f"{lines} lines of log for 3 requests", lines <= MOST_LINES)


def arithmetic_coding(victim: Victim) -> Finding:
    """Post a JPEG of 36 million pixels with arithmetic coding, of random bytes: any bytes are some picture."""
    photo = _photo()
    tables, _, _ = photo.partition(BASELINE_FRAME)
    components = b"\x03" + b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = struct.pack(">BHH", 8, SIDE_PX, SIDE_PX) + components
    scan = b"\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00"
    entropy = np.random.default_rng(1).integers(0, 255, 24 << 20, np.uint8).tobytes()
    head = tables + _segment(ARITHMETIC_FRAME[1], frame) + _segment(START_OF_SCAN[1], scan)
    return _answered_soon(victim, head + entropy + b"\xff\xd9")


def large_annotated_png(victim: Victim) -> Finding:
    """Post a small body of 36 million pixels, to be drawn on and written as PNG."""
    tile = Image.effect_noise((SIDE_PX // 8, SIDE_PX // 8), 40).resize((SIDE_PX, SIDE_PX)).convert("RGB")
    return _answered_soon(victim, encode(tile, "JPEG"), "/annotate", "image/png")


def wide_annotated_jpeg(victim: Victim) -> Finding:
    """Ask for an annotated JPEG with a side that a JPEG cannot have."""
    return _answered_soon(victim, encode(Image.new("RGB", (MOST_PX, 8)), "PNG"), "/annotate", "image/jpeg")
