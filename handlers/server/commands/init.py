"""`framehook models init`: writes the folder of a model that somebody brings, and checks it."""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from handlers.decoding.decoder import Decoder
from handlers.errors import ConfigurationError
from handlers.server.commands.check import check_folder
from handlers.server.commands.offline import read_picture
from handlers.server.commands.options import settings_options
from handlers.server.settings import Settings
from models.errors import ModelConfigError
from models.families.recognition import differences
from models.fitting.file_metadata import labels_in
from models.fitting.guessing import Brought, Tried
from models.frame import Frame
from models.repository.files import CONFIG_FILE_NAME
from models.repository.folder import BUILT_IN_ZOO
from models.repository.labels import read_labels

KNOWN_LABELS = {80: "ssdlite-mobilenet-v2", 1000: "efficientnet-lite0"}
"""Number of classes → the built-in model whose labels are probably the same: COCO's and ImageNet's."""
USUAL_CLASSES = 80
PICTURE = BUILT_IN_ZOO / "ssdlite-mobilenet-v2" / "golden.jpg"
EXTERNAL_DATA = ("{name}.data", "{name}_data", "{stem}.data")
"""Names of a file beside the model with its numbers, as PyTorch, Hugging Face and onnx give them."""
HEADER = "# What each key means: docs/adding-a-model.md\n"
FOOTER = "# licence: and source: are shown by /models.\n"


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the action and its options."""
    parser = actions.add_parser(
        "init",
        help="write the folder of an own model",
        description="Write the folder of a model from its ONNX file: family, size and labels are guessed from the "
        "file's inputs, outputs and metadata, and tried out on a picture. Each guess is printed. Then check it.",
        parents=[settings_options(("max_body_bytes", "max_pixels"))],
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the model, an ONNX file")
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="what to write; by default named as the file, here"
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="the labels, one a line, or a data.yaml")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="a picture with what the model finds; by default a cup of coffee"
    )
    parser.set_defaults(command=init)


def init(settings: Settings, options: argparse.Namespace) -> int:
    """Write and check the folder.

    Raises ConfigurationError for files that are not there and a folder that is, and ModelConfigError if no family
    reads the file; then nothing is written.
    """
    from models.backends.conformed import conformed  # noqa: PLC0415  # onnxruntime takes long to import
    from models.backends.onnx import Session  # noqa: PLC0415  # the same

    folder = options.folder or Path(options.file.stem)
    if folder.exists():
        raise ConfigurationError(f"{folder} exists already; name another folder, or remove it.")
    picture = options.picture or PICTURE
    try:
        frame = Decoder(settings.max_pixels).whole(read_picture(picture, settings.max_body_bytes))
    except OSError as error:
        raise ConfigurationError(f"The picture {picture} cannot be read: {error.strerror}.") from error
    if not options.file.is_file():
        raise ConfigurationError(f"{options.file} is not a file.")
    session = Session(options.file)
    labels, source = _labels(options.labels, session.metadata)
    brought = Brought(conformed(session), labels, session.metadata)
    ways = _ways(brought, frame)
    known = _known_labels(ways[0])
    if not labels and known:
        labels, source = known, f"those of {KNOWN_LABELS[len(known)]}, since there are as many"
        brought = Brought(brought.session, labels, session.metadata)
        ways = brought.tried_on(frame)
    best, why = brought.improved(ways[0], frame)
    _print_guesses([best, *ways[1:]], source or "placeholders: write the right ones into labels.txt")
    if why:
        print(f"guess: {why}: with it the model is clearly surer of the picture")
    _write(folder, options.file, best, brought.labels_for(best.guess))
    check_folder(folder, picture)
    print(f"    serve it: framehook serve --model-repository {folder.parent} --default-model {folder.name}")
    return 0


def _ways(brought: Brought, frame: Frame) -> Sequence[Tried]:
    """Return the ways to read the file. If there is none, print what each family needs; raises ModelConfigError."""
    try:
        return brought.tried_on(frame)
    except ModelConfigError:
        classes = len(brought.labels) or USUAL_CLASSES
        for difference in differences(brought.session.signature, classes):
            print(f"with {classes} labels, {difference}")
        raise


def _labels(given: Path | None, metadata: dict[str, str]) -> tuple[Sequence[str], str]:
    """Return the labels, if they are known, and where they are from."""
    if given:
        return read_labels(given), f"{given}"
    found = labels_in(metadata)
    return found, "the file's metadata" if found else ""


def _known_labels(way: Tried) -> Sequence[str]:
    name = KNOWN_LABELS.get(way.guess.classes or 0)
    return read_labels(BUILT_IN_ZOO / name / "labels.txt") if name else ()


def _print_guesses(ways: Sequence[Tried], source: str) -> None:
    best, *others = ways
    print(f"guess: family {best.guess}")
    for other in others:
        print(f"       also possible: {other.guess}")
    width, height = best.document["input"]["size_wh"]
    more = ", ".join(f"{key}: {value}" for key, value in best.document["input"].items() if key != "size_wh")
    print(f"guess: input {width} x {height}{f', {more}' if more else ''}; the rest is the family's default")
    if "labels" in best.document:
        print(f"guess: labels: {source}")


def _write(folder: Path, weights: Path, way: Tried, labels: Sequence[str]) -> None:
    """Write the folder; raises ConfigurationError if that fails, and then removes what is there of it."""
    document = {**way.document, "input": {**way.document["input"], "size_wh": list(way.document["input"]["size_wh"])}}
    try:
        folder.mkdir(parents=True)
        shutil.copyfile(weights, folder / "model.onnx")
        for name in (pattern.format(name=weights.name, stem=weights.stem) for pattern in EXTERNAL_DATA):
            if weights.with_name(name).is_file():
                shutil.copyfile(weights.with_name(name), folder / name)
        if "labels" in document:
            (folder / "labels.txt").write_text("\n".join([*labels, ""]), encoding="utf-8")
        text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None)
        (folder / CONFIG_FILE_NAME).write_text(f"{HEADER}{text}{FOOTER}", encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}.") from error
