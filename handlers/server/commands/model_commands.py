"""`framehook infer`, `models`, `check` and `prepare`: the models without a server."""

import argparse
import errno
import io
import itertools
import json
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from handlers.catalog import model_record
from handlers.dataplane import DataPlane
from handlers.encoding.drawing import JPEG_QUALITY, annotate
from handlers.errors import BodyTooLargeError, ConfigurationError, EdgeError
from handlers.server.app import create_dataplane, create_security
from handlers.server.middleware.parameters import NUMBERS
from handlers.server.settings import Settings, settings_for_folder
from handlers.server.wire.tls import create_tls
from models.errors import InferenceError, ModelConfigError, ModelsError
from models.families import Signature
from models.order import FrameOrder
from models.repository.golden import found_in, refuse_other_results
from models.results import MAX_DETECTIONS
from models.runtime.served import Model

CHECK_RUNS = 11
SHOWN_RESULTS = 5


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", settings: argparse.ArgumentParser) -> None:
    """Add the commands and what they take; all but `prepare` take the settings."""
    add = partial(commands.add_parser, parents=[settings], allow_abbrev=False)
    infer_parser = add("infer", help="infer from files, without a server: JSON lines on standard output")
    infer_parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a JPEG, PNG or BMP picture")
    infer_parser.add_argument("--model", help="the model to use instead of the default one")
    infer_parser.add_argument("--confidence", type=_fraction, help="lowest confidence reported, 0 to 1")
    infer_parser.add_argument("--object", dest="labels", type=_labels, help="labels reported, separated by commas")
    infer_parser.add_argument("--max-detections", type=_detection_count, help="most results reported")
    infer_parser.add_argument("--annotate", type=Path, metavar="DIR", help="write each picture with its boxes there")
    infer_parser.set_defaults(command=infer)
    add("models", help="print the record of each model").set_defaults(command=models)
    check_parser = add("check", help="check settings and models, and leave")
    check_parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="a model, or a repository of them")
    check_parser.add_argument("--picture", type=Path, metavar="FILE", help="the picture that they answer")
    check_parser.set_defaults(command=check)
    prepare_parser = commands.add_parser("prepare", help="write a model that costs less to serve", allow_abbrev=False)
    prepare_parser.add_argument("model_folder", type=Path, metavar="MODEL_FOLDER", help="a model that can be served")
    prepare_parser.add_argument("output_folder", type=Path, metavar="OUTPUT_FOLDER", help="the folder to be made")
    prepare_parser.set_defaults(command=prepare)


def infer(settings: Settings, options: argparse.Namespace) -> int:
    """Print one JSON line a file; 1 when any of them failed."""
    failed = False
    name = options.model or settings.default_model
    alone = settings.model_copy(update={"models": (name,), "default_model": name})  # the others need not be loaded
    order = FrameOrder(
        encoding="metadata",
        confidence=options.confidence,
        labels=options.labels,
        max_detections=options.max_detections,
    )
    with _own_dataplane(alone) as dataplane:
        dataplane.find_model(order)
        dataplane.engine.load()
        infer_one = partial(_infer_file, dataplane, order, settings.max_body_bytes, options.annotate)
        for path in tqdm(options.files, unit="file", disable=len(options.files) == 1):
            answer = infer_one(path)
            failed |= "error" in answer
            print(json.dumps({"file": str(path), **answer}, ensure_ascii=False), flush=True)
    return int(failed)


@contextmanager
def _own_dataplane(settings: Settings) -> Iterator[DataPlane]:
    """Give a data plane that is closed with the block.

    From here on Ctrl-C ends the process at once. As an exception it could come while a lock is being taken, which would
    stay taken, and the lanes wait for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    dataplane = create_dataplane(settings)
    with closing(dataplane.engine):
        yield dataplane


def _infer_file(
    dataplane: DataPlane, order: FrameOrder, max_bytes: int, annotate_to: Path | None, path: Path
) -> dict[str, Any]:
    """Return the answer for one file, or its error."""
    try:
        body = _read_file(path, max_bytes)
        answered = dataplane.infer(replace(order, body=body)).result()
        answer: dict[str, Any] = json.loads(answered.value or b'{"inferences": []}')
        if annotate_to:
            picture = annotate(dataplane.codec.decoder.whole(body), answered.results)
            answer["annotated"] = _save_annotated(picture, annotate_to, path.stem)
    except OSError as error:
        return {"error": f"The file cannot be read or written: {error.strerror}."}
    except (EdgeError, ModelsError) as error:
        if isinstance(error, InferenceError):
            print(f"framehook: {path}: {error.__cause__}", file=sys.stderr)
        return {"error": str(error)}
    return answer


def _save_annotated(picture: Image.Image, folder: Path, stem: str) -> str:
    """Write the picture under a name that is not taken yet, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    names = itertools.chain([f"{stem}-boxes.jpg"], (f"{stem}-boxes-{number}.jpg" for number in itertools.count(2)))
    path = next(folder / name for name in names if not (folder / name).exists())
    picture.save(path, quality=JPEG_QUALITY)
    return str(path)


def _read_file(path: Path, max_bytes: int) -> bytes:
    if not path.is_file():  # a pipe would keep us waiting
        raise FileNotFoundError(errno.ENOENT, "no such file, or not a regular one")
    if path.stat().st_size > max_bytes:
        raise BodyTooLargeError(f"The file is larger than the limit of {max_bytes} bytes.")
    return path.read_bytes()


def models(settings: Settings, _: argparse.Namespace) -> int:
    """Print the record of each model, one JSON line each."""
    for model in create_dataplane(settings).engine.served.models:
        print(json.dumps(model_record(model.folder), ensure_ascii=False))
    return 0


def check(settings: Settings, options: argparse.Namespace) -> int:
    """Load every model, have it answer a picture a few times, and print what it is, what it takes and what it finds."""
    if options.folder:
        settings = settings_for_folder(settings, options.folder)
    try:
        picture = _read_file(options.picture, settings.max_body_bytes) if options.picture else None
    except OSError as error:
        raise ConfigurationError(f"The picture {options.picture} cannot be read: {error.strerror}.") from error
    security = create_security(settings)
    tls = create_tls(settings)
    if tls:
        print(f"ok: {tls}")
    with _own_dataplane(settings) as dataplane:
        started_at = time.perf_counter()
        dataplane.engine.load()
        ready_s = time.perf_counter() - started_at
        models = dataplane.engine.served.models
        for model in models:
            golden = _golden_picture(dataplane, model, settings.max_body_bytes)
            print(f"ok: {model.name} {_shape(model)}")
            print(f"    {_trial_answer(dataplane, model, picture or golden or _black_picture(model))}")
            if golden:
                print("    found in its golden picture what it must")
    if security.is_on:
        known = security.recognition
        print(f"ok: {len(known.credentials)} credential(s), for the schemes {', '.join(known.schemes)}")
    print(f"ok: settings and {len(models)} model(s), ready after {ready_s:.2f} s")
    return 0


def _golden_picture(dataplane: DataPlane, model: Model, max_bytes: int) -> bytes | None:
    """Return the model's golden picture, if it has one.

    Raises ModelConfigError when it does not find in it what it must.
    """
    golden = model.folder.config.golden
    if golden is None:
        return None
    path = model.folder.path / golden.picture
    try:
        picture = _read_file(path, max_bytes)
        results = dataplane.infer(FrameOrder(picture, model=model.name)).result().results
    except OSError as error:
        raise ModelConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except EdgeError as error:
        raise ModelConfigError(f"{path}: {error}") from error
    refuse_other_results(model.folder, golden, results)
    return picture


def _shape(model: Model) -> str:
    """Return what a loaded model is, in one line."""
    config = model.folder.config
    width, height = config.input.size_wh
    signature = model.loaded.session.signature if model.loaded else Signature({}, {})
    tensors = [f"{name} {tensor}" for name, tensor in (*signature.inputs.items(), *signature.outputs.items())]
    return (
        f"(family {config.family.name}, {len(model.folder.labels)} labels, {width} x {height}, "
        f"on {', '.join(config.execution.providers)}: {'; '.join(tensors)})"
    )


def _black_picture(model: Model) -> bytes:
    """Return a black picture of the model's input size, as a PNG."""
    picture = io.BytesIO()
    Image.new("RGB", model.folder.config.input.size_wh).save(picture, "PNG")
    return picture.getvalue()


def _trial_answer(dataplane: DataPlane, model: Model, picture: bytes) -> str:
    """Return what a model finds in a picture, and how long a frame takes."""
    took_ms, run_ms = [], []
    for _ in range(CHECK_RUNS):
        started_at = time.perf_counter()
        answered = dataplane.infer(FrameOrder(picture, model=model.name)).result()
        took_ms.append((time.perf_counter() - started_at) * 1000)
        run_ms.append(answered.stages_ms["run"])
    first_results = itertools.islice(found_in(answered.results), SHOWN_RESULTS)
    labels = ", ".join(f"{result.label} {result.confidence:.2f}" for result in first_results) or "nothing"
    frame_ms = statistics.median(took_ms)
    return f"found {labels}; {frame_ms:.1f} ms a frame, {statistics.median(run_ms):.1f} of it the run"


def prepare(_: Settings, options: argparse.Namespace) -> int:
    """Write a model's folder anew with weights that cost less to serve, and say what was done."""
    try:
        from models.preparation.folder import prepare_folder  # noqa: PLC0415  # an extra, which serving does without
    except ImportError as error:
        raise ConfigurationError("Preparing a model needs onnx: pip install 'framehook[prepare]'.") from error
    preparation = prepare_folder(options.model_folder, options.output_folder)
    print(f"ok: {options.output_folder} {', '.join(preparation.steps)}")
    print(f"ok: both answer alike; the largest difference of a confidence or corner is {preparation.difference:.2g}")
    return 0


def _fraction(text: str) -> float:
    if NUMBERS["number"].fullmatch(text) and 0 <= float(text) <= 1:
        return float(text)
    raise argparse.ArgumentTypeError("expected a number from 0 to 1")


def _detection_count(text: str) -> int:
    if NUMBERS["integer"].fullmatch(text) and 1 <= int(text) <= MAX_DETECTIONS:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MAX_DETECTIONS}")


def _labels(text: str) -> list[str]:
    return text.split(",")
