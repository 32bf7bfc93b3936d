"""Hostile bytes: each answer follows the contract, and a good frame after them gets its right answer."""

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from handlers.decoding.decoder import Decoder
from handlers.errors import UndecodableFrameError
from lab.graphs import write_planted_model
from lab.pictures import blank, encode, street
from tests.support.server import LiveServer, serving
from tools.hostile.mutations import mutant
from tools.hostile.pictures import WRITERS, photo

MUTANTS, SEED = 800, 20261122
TINY_WH = (16, 12)
SPARE_BYTES = {"webp-lossless": 1, "webp-alpha": 14, "bmp-rle4": 4, "bmp-rle8": 4, "bmp-1": 2} | {
    kind: 21 for kind in WRITERS if kind.startswith("png")
}
"""What a file with all its pixels may lack: a PNG's last checksums and chunk, the padding and metadata of a WebP,
run-length coding's end marks, padding of the last row."""
SPARE_BYTES |= {"jpeg-baseline": 8, "jpeg-restarts": 8, "jpeg-cmyk": 20, "jpeg-grey": 32, "jpeg-progressive": 13}
"""A JPEG may lack its end marker, and libjpeg does not notice that the end of the last two blocks is missing."""
PART_OF_SCANS = re.compile(rb"\xff[\xc4\xda]")
"""Where a scan of a progressive JPEG has ended: what comes before is a whole picture of less detail."""


BOX, SCORE = np.array([[0.25, 0.25, 0.75, 0.75]], np.float32), np.array([[0, 0.75]], np.float32)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service whose model finds one box in every frame at once, so that all time goes into decoding."""
    with serving(write_planted_model(tmp_path_factory.mktemp("models"), BOX, SCORE)) as server:
        yield server


def test_mutants_of_pictures_and_raw_frames(planted: LiveServer) -> None:
    """The client checks each answer against the contract."""
    statuses: Counter[int] = Counter()
    for number in range(MUTANTS):
        hostile = mutant(SEED, number)
        headers = {b"Content-Type": hostile.media_type.strip().encode("latin-1")}
        statuses[planted.client.post("/inference", content=hostile.body, headers=headers).status_code] += 1
    assert set(statuses) <= {200, 400, 413, 415}
    assert min(statuses[200], statuses[400]) > MUTANTS / 10
    assert planted.client.post("/inference", content=blank()).status_code == 200


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_a_file_cut_at_any_length_is_refused(kind: str) -> None:
    body = WRITERS[kind](photo(TINY_WH))
    decoder = Decoder(1_000_000)
    decoder.whole(body)
    scan_ends = [match.start() for match in PART_OF_SCANS.finditer(body)] if kind == "jpeg-progressive" else []
    for length in range(len(body) - SPARE_BYTES.get(kind, 0)):
        if any(end - 10 <= length <= end + 2 for end in scan_ends):
            continue
        with pytest.raises(UndecodableFrameError):
            decoder.whole(body[:length])


def test_a_multi_picture_jpeg_is_its_first_picture() -> None:
    first, second = street().resize((96, 72)), Image.new("RGB", (96, 72))
    frame = Decoder(1_000_000).whole(encode(first, "MPO", save_all=True, append_images=[second], quality=95))
    alone = Decoder(1_000_000).whole(encode(first, "JPEG", quality=95))
    assert (frame.pixels_hwc == alone.pixels_hwc).all()
