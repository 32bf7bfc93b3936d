"""Measures what chained models cost: the CPU time of a frame whose objects are given to a classifier.

    python -m bench.chains [--rounds N]

The built-in detector gives k people of examples/street.jpg to the built-in classifier. Beside it, in the same rounds:
the detector alone, and what a client pays that cuts out the people itself and posts k JPEG pictures to the classifier.
"""

import argparse
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from PIL import Image

from bench.agreement import MAX_PIXELS
from bench.harness.workloads import QUALITY
from handlers.decoding.decoder import Decoder
from handlers.encoding.encoders import ENCODERS
from handlers.encoding.lane_codec import LaneCodec
from lab.pictures import STREET
from models.order import Answered, FrameOrder
from models.repository.folder import BUILT_IN_ZOO, read_folder
from models.runtime.chain import crop_px
from models.runtime.loading import load_warm
from models.scheduling.deadlines import Deadlines

CROPS = 0, 1, 2, 4, 8
MARGIN = 0.1
CODEC = LaneCodec(Decoder(MAX_PIXELS), ENCODERS)
ORDER = FrameOrder(STREET.read_bytes(), encoding="metadata", confidence=0.2, labels=["person"])
"""Finds more than eight people."""

Answer = Callable[[FrameOrder], Answered]


def loaded(repository: Path, name: str, source: str, then: str = "") -> Answer:
    """Return what answers frames with a copy of a built-in model on the calling thread."""
    folder = shutil.copytree(BUILT_IN_ZOO / source, repository / name)
    with (folder / "model.yaml").open("a", encoding="utf-8") as config:
        config.write(then)
    read = read_folder(folder)
    model = load_warm(read, Deadlines(60)).with_codec(CODEC)
    return lambda order: model.work_for(read, order, lambda: False)()


def crops_of(answered: Answered) -> list[bytes]:
    """Return the most confident objects of an answer, cut out of the street, as JPEG pictures."""
    street, crops = Image.open(STREET), []
    for detection in answered.results.detections[: max(CROPS)]:
        body = io.BytesIO()
        street.crop(crop_px(detection.box_xyxy, MARGIN, street.size)).save(body, "JPEG", quality=QUALITY)
        crops.append(body.getvalue())
    return crops


def cpu_ms(work: Callable[[], object]) -> float:
    """Return the CPU time of the calling thread."""
    started_at = time.thread_time()
    work()
    return (time.thread_time() - started_at) * 1000


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures what chained models cost.")
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        classifier = loaded(root, "kind", "efficientnet-lite0")
        detector = loaded(root, "alone", "ssdlite-mobilenet-v2")
        link = f"then: [{{model: kind, margin: {MARGIN}, min_side_px: 1, max_crops:"
        chains = {k: loaded(root, f"chain-{k}", "ssdlite-mobilenet-v2", f"{link} {k}}}]\n") for k in CROPS if k}
    crops = crops_of(detector(ORDER))
    posted = [FrameOrder(body, encoding="metadata") for body in crops]
    spent: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for k in CROPS:
            ways: dict[str, Callable[[], object]] = {
                "chain": lambda k=k: chains.get(k, detector)(ORDER),  # type: ignore[misc]
                "client": lambda k=k: [detector(ORDER), *map(classifier, posted[:k])],  # type: ignore[misc]
            }
            for name, work in ways.items():
                spent.setdefault((name, k), []).append(cpu_ms(work))
    print("| crops | chain, CPU ms | detector and k frames for the classifier, CPU ms | difference |")
    print("|---|---|---|---|")
    for k in CROPS:
        chain, client = median(spent["chain", k]), median(spent["client", k])
        print(f"| {k} | {chain:.1f} | {client:.1f} | {chain - client:+.1f} |")


if __name__ == "__main__":
    main()
