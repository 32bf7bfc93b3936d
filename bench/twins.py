"""Measures how well the zoo's int8 models agree with the float models that they were made from.

    python -m bench.twins [--classifier FLOAT.onnx] [--detector FLOAT.onnx] SOURCE [SOURCE ...]

The float models: tools/converters, `--float`. A source is a package with pictures (a wheel or another zip archive), a
folder, or a video, of which every 15th frame is taken. Pictures below 100 pixels and those that Pillow cannot read do
not count.
"""

import argparse
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bench.agreement import Agreement, Judge
from bench.harness.frames import video_frames
from models.backends.onnx import Session
from models.frame import Frame
from models.repository.folder import BUILT_IN_ZOO, read_folder
from models.runtime.loading import family_of

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LEAST_SIDE_PX = 100
EVERY_FRAME = 15
SURE = 0.5
"""Confidence from which the float classifier counts as sure."""


class Classifier:
    """The zoo's classifier, with its own weights or others of the same layout."""

    def __init__(self, weights: Path | None) -> None:
        folder = read_folder(BUILT_IN_ZOO / "efficientnet-lite0")
        self._session = Session(weights or folder.weights_path)
        self._family = family_of(folder, self._session.signature)

    def probabilities(self, picture: Image.Image) -> NDArray[np.float64]:
        """Return the probability of each class."""
        feeds, _ = self._family.picture.preprocess(_frame(picture))
        [output] = self._session.run(feeds).values()
        return np.asarray(output[0], np.float64)


def _frame(picture: Image.Image) -> Frame:
    return Frame(np.asarray(picture), "rgb", picture.size)


def pictures(source: Path) -> Iterator[Image.Image]:
    """Yield the pictures of a package, a folder or a video as RGB."""
    if source.is_dir():
        yield from _readable(path.read_bytes() for path in sorted(source.rglob("*")) if path.suffix.lower() in SUFFIXES)
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            names = [name for name in sorted(archive.namelist()) if Path(name).suffix.lower() in SUFFIXES]
            yield from _readable(map(archive.read, names))
    else:
        yield from video_frames(source, EVERY_FRAME)


def _readable(contents: Iterator[bytes]) -> Iterator[Image.Image]:
    for content in contents:
        try:
            picture = Image.open(io.BytesIO(content)).convert("RGB")
        except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
            continue
        if min(picture.size) >= LEAST_SIDE_PX:
            yield picture


def cosine(vector: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the cosine of the angle between two vectors."""
    return float(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other))


def classifier_row(twins: tuple[Classifier, Classifier], source: Path) -> str:
    """Return the last cells of the classifier's row. `twins`: float, int8."""
    answers = [tuple(twin.probabilities(picture) for twin in twins) for picture in pictures(source)]
    same = [int(expected.argmax() == found.argmax()) for expected, found in answers]
    sure = [agrees for agrees, (expected, _) in zip(same, answers, strict=True) if expected.max() >= SURE]
    cosines = [cosine(expected, found) for expected, found in answers]
    difference = fmean(abs(expected.max() - found[expected.argmax()]) for expected, found in answers)
    return (
        f"{len(answers)} | {sum(sure)} of {len(sure)} | {sum(same)} of {len(same)} | {fmean(cosines):.4f} | "
        f"{min(cosines):.3f} | {difference:.3f} |"
    )


def detector_row(twins: tuple[Judge, Judge], source: Path) -> str:
    """Return the last cells of the detector's row: see bench.agreement, and how many confidences are not alone."""
    agreement, count, tied = Agreement(), 0, 0
    for picture in pictures(source):
        expected, found = (twin.detections(_frame(picture)) for twin in twins)
        agreement.add(expected, found)
        count += len(found)
        tied += len(found) - len({detection.confidence for detection in found})
    return f"{agreement.row()} {tied} of {count} |"


CLASSIFIER_COLUMNS = (
    "| classifier | pictures | same class where sure | same class | mean cosine | least | mean difference |"
)
DETECTOR_COLUMNS = "| detector | found again | lost | new | mean IoU | mean difference | tied |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each model whose float parent is given."""
    parser = argparse.ArgumentParser(description="Compares the int8 models with their float parents.")
    parser.add_argument("sources", type=Path, nargs="+", metavar="SOURCE")
    parser.add_argument("--classifier", type=Path, metavar="FLOAT.onnx")
    parser.add_argument("--detector", type=Path, metavar="FLOAT.onnx")
    options = parser.parse_args(arguments)
    if options.classifier:
        classifiers = Classifier(options.classifier), Classifier(None)
        print_table(CLASSIFIER_COLUMNS, options.sources, partial(classifier_row, classifiers))
    if options.detector:
        judges = Judge(options.detector), Judge(None)
        print_table(DETECTOR_COLUMNS, options.sources, partial(detector_row, judges))


def print_table(columns: str, sources: Sequence[Path], row: Callable[[Path], str]) -> None:
    """Print a row for each source of pictures as soon as it is there. `row`: its cells after the first."""
    print(f"\n{columns}\n{'|---' * (columns.count('|') - 1)}|", flush=True)
    for source in sources:
        print(f"| {source.name} | {row(source)}", flush=True)


if __name__ == "__main__":
    main()
