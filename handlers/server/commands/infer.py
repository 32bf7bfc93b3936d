"""`framehook infer`: runs a model on files, without a server."""

import argparse
import itertools
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from handlers.dataplane import DataPlane
from handlers.decoding.encoded import FORMAT_NAMES
from handlers.encoding.drawing import JPEG_QUALITY, canvas_size
from handlers.encoding.encoders import draw
from handlers.errors import EdgeError
from handlers.parsing.numbers import read_number, read_whole_number
from handlers.server.commands.offline import own_dataplane, read_picture
from handlers.server.commands.options import settings_options
from handlers.server.settings import Settings, split
from models.errors import InferenceError, ModelsError
from models.order import FrameOrder
from models.results import MAX_DETECTIONS

SETTINGS = (
    "model_repository",
    "default_model",
    "decoding",
    "max_body_bytes",
    "max_pixels",
    "lanes",
    "wide_lane",
    "run_timeout_s",
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "infer",
        help="run a model on picture files, without a server",
        description="Run a model on picture files, without a server. Prints one JSON line per file to standard output.",
        parents=[settings_options(SETTINGS)],
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=f"a {FORMAT_NAMES} picture")
    parser.add_argument("--model", metavar="NAME", help="the model to run; by default the default model")
    parser.add_argument(
        "--confidence",
        type=_fraction,
        metavar="FRACTION",
        help="report only results with at least this confidence, 0..1",
    )
    parser.add_argument(
        "--object", dest="labels", type=split, metavar="LABELS", help="report only these labels, separated by commas"
    )
    parser.add_argument(
        "--max-detections", type=_detection_count, metavar="NUMBER", help="report at most this many results"
    )
    parser.add_argument(
        "--annotate", type=Path, metavar="FOLDER", help="write each picture with its boxes drawn to this folder"
    )
    parser.set_defaults(command=infer)


def infer(settings: Settings, options: argparse.Namespace) -> int:
    """Print one JSON line per file. Return 1 if any file failed, else 0."""
    failed = False
    name = options.model or settings.default_model
    alone = settings.model_copy(update={"models": (name,), "default_model": name})  # the others need not be loaded
    order = FrameOrder(
        encoding="metadata",
        confidence=options.confidence,
        labels=options.labels,
        max_detections=options.max_detections,
    )
    with own_dataplane(alone) as dataplane:
        dataplane.refuse_unknown_labels(order)
        dataplane.engine.load()
        infer_one = partial(_infer_file, dataplane, order, settings.max_body_bytes, options.annotate)
        for path in tqdm(options.files, unit="file", disable=len(options.files) == 1):
            answer = infer_one(path)
            failed |= "error" in answer
            print(json.dumps({"file": str(path), **answer}, ensure_ascii=False), flush=True)
    return int(failed)


def _infer_file(
    dataplane: DataPlane, order: FrameOrder, max_bytes: int, annotate_to: Path | None, path: Path
) -> dict[str, Any]:
    """Return the answer for one file, or its error."""
    try:
        body = read_picture(path, max_bytes)
        answered = dataplane.infer(replace(order, body=body)).result()
        answer: dict[str, Any] = json.loads(answered.value or b'{"inferences": []}')
        if annotate_to:
            size_wh = canvas_size(answered.size_wh)
            picture = draw(dataplane.codec.decoder, replace(order, body=body), answered.results, size_wh)
            answer["annotated"] = _save_annotated(picture, annotate_to, path.stem)
    except OSError as error:
        return {"error": f"The file cannot be read or written: {error.strerror}."}
    except (EdgeError, ModelsError) as error:
        if isinstance(error, InferenceError):
            print(f"framehook: {path}: {error.__cause__}", file=sys.stderr)
        return {"error": str(error)}
    return answer


def _save_annotated(picture: Image.Image, folder: Path, stem: str) -> str:
    """Write the picture under a free name, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    names = itertools.chain([f"{stem}-boxes.jpg"], (f"{stem}-boxes-{number}.jpg" for number in itertools.count(2)))
    path = next(folder / name for name in names if not (folder / name).exists())
    picture.save(path, quality=JPEG_QUALITY)
    return str(path)


def _fraction(text: str) -> float:
    number = read_number(text)
    if number is not None and 0 <= number <= 1:
        return number
    raise argparse.ArgumentTypeError("expected a number from 0 to 1")


def _detection_count(text: str) -> int:
    count = read_whole_number(text)
    if count is not None and 1 <= count <= MAX_DETECTIONS:
        return count
    raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MAX_DETECTIONS}")
