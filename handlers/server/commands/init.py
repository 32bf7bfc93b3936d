"""`framehook models init`: writes the folder of a model that somebody brings, and checks it."""

import argparse
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from handlers.decoding.decoder import Decoder
from handlers.errors import ConfigurationError
from handlers.server.commands.check import check_folder
from handlers.server.commands.offline import read_named_picture
from handlers.server.settings import Settings
from models.errors import ModelConfigError
from models.families.recognition import USUAL_CLASSES, differences, recognised
from models.fitting.file_metadata import labels_in
from models.fitting.guessing import Brought, Tried
from models.frame import Frame
from models.repository.config import NAME_PATTERN
from models.repository.files import CONFIG_FILE_NAME, LABELS_NAME, WEIGHTS_NAME
from models.repository.folder import BUILT_IN_ZOO
from models.repository.labels import read_labels
from models.repository.plain_yaml import written_yaml

KNOWN_LABELS = {80: "ssdlite-mobilenet-v2", 1000: "efficientnet-lite0"}
"""Number of classes → the built-in model whose labels are probably the same: COCO's and ImageNet's."""
PICTURE = BUILT_IN_ZOO / "ssdlite-mobilenet-v2" / "golden.jpg"
FOOTER = "# You may add licence and source, which /models shows.\n"
EXTERNAL_DATA = ("{name}.data", "{name}_data", "{stem}.data")
"""Names of a file beside the model with its numbers, as PyTorch, Hugging Face and onnx give them."""


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the action and its options; it uses no setting but limits of pictures."""
    parser = actions.add_parser(
        "init",
        help="write the folder of your own model",
        description="Write the folder of a model from its ONNX file, then check it. Family, size and labels are "
        "guessed from the file's inputs, outputs and metadata, and tried out on a picture. Each guess is printed.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the model, an ONNX file")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="the folder to write; by default in the current one, named as the file",
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="the labels, one a line, or a data.yaml")
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="a picture that shows what the model finds; by default a cup of coffee",
    )
    parser.set_defaults(command=init)


def init(settings: Settings, options: argparse.Namespace) -> int:
    """Write and check the folder.

    Raises ConfigurationError for files that are not there and a folder that is, and ModelConfigError if no family
    reads the file; then nothing is written. Raises ModelConfigError also if the check fails; then the folder stays.
    """
    from models.backends.conformed import conformed  # noqa: PLC0415  # onnxruntime takes long to import
    from models.backends.onnx import Session  # noqa: PLC0415  # the same

    folder = options.folder or Path(options.file.stem)
    _refuse_unless_new(folder)
    picture = options.picture or PICTURE
    frame = Decoder(settings.max_pixels).whole(read_named_picture(picture, settings.max_body_bytes))
    if not options.file.is_file():
        raise ConfigurationError(f"{options.file} is not a file.")
    session = Session(options.file)
    labels, source = _labels(options.labels, session.metadata)
    brought = Brought(conformed(session), labels, session.metadata)
    ways = _ways(brought, frame)
    known = _known_labels(ways[0])
    if not labels and known:
        labels, source = known, f"of {KNOWN_LABELS[len(known)]}, since there are as many"
        brought = Brought(brought.session, labels, session.metadata)
        ways = brought.tried_on(frame)
    best, why = brought.improved(ways[0], frame)
    _print_guesses([best, *ways[1:]], source or f"placeholders; write the right ones into {LABELS_NAME}")
    if why:
        print(f"guess: {why}, since the model is clearly surer of the picture with that")
    _write(folder, options.file, best, brought.labels_for(best.guess))
    check_folder(folder, picture)
    print(f"    serve it: framehook serve --model-repository {folder.parent} --default-model {folder.name}")
    return 0


def _refuse_unless_new(folder: Path) -> None:
    if not re.fullmatch(NAME_PATTERN, folder.absolute().name):
        raise ConfigurationError(
            f"{folder.absolute().name!a:.80} cannot name a model; "
            "name a FOLDER with letters, digits, dots, _ and - only."
        )
    if folder.exists():
        raise ConfigurationError(f"{folder} exists already; name another folder, or remove it.")


def _ways(brought: Brought, frame: Frame) -> Sequence[Tried]:
    """Return the ways to read the file; raises ModelConfigError if there is none.

    Prints what each family needs, if none reads the file with any number of labels.
    """
    try:
        return brought.tried_on(frame)
    except ModelConfigError:
        signature, classes = brought.session.signature, len(brought.labels) or USUAL_CLASSES[0]
        for difference in () if recognised(signature) else differences(signature, classes):
            print(f"with {classes} labels, {difference}")
        raise


def _labels(given: Path | None, metadata: dict[str, str]) -> tuple[Sequence[str], str]:
    """Return the labels, if they are known, and where they are from."""
    if given:
        return read_labels(given), f"of {given}"
    found = labels_in(metadata)
    return found, "of the file's metadata" if found else ""


def _known_labels(way: Tried) -> Sequence[str]:
    name = KNOWN_LABELS.get(way.guess.classes or 0)
    return read_labels(BUILT_IN_ZOO / name / LABELS_NAME) if name else ()


def _print_guesses(ways: Sequence[Tried], source: str) -> None:
    """Print the ways, the best one first, with values as model.yaml has them. `source`: of the labels."""
    best, *others = ways
    print(f"guess: family {best.guess}")
    for other in others:
        print(f"       also possible: {other.guess}")
    width, height = best.document["input"]["size_wh"]
    more = "".join(
        f", {key}: {list(value) if isinstance(value, tuple) else value}"
        for key, value in best.document["input"].items()
        if key != "size_wh"
    )
    print(f"guess: input {width} x {height}{more}; the rest is the family's default")
    if "labels" in best.document:
        print(f"guess: labels {source}")


def _write(folder: Path, weights: Path, way: Tried, labels: Sequence[str]) -> None:
    """Write the folder; raises ConfigurationError if that fails, and then removes what is there of it."""
    try:
        folder.mkdir(parents=True)
        shutil.copyfile(weights, folder / WEIGHTS_NAME)
        for name in (pattern.format(name=weights.name, stem=weights.stem) for pattern in EXTERNAL_DATA):
            if weights.with_name(name).is_file():
                shutil.copyfile(weights.with_name(name), folder / name)
        if "labels" in way.document:
            (folder / LABELS_NAME).write_text("\n".join([*labels, ""]), encoding="utf-8")
        (folder / CONFIG_FILE_NAME).write_text(written_yaml(way.document) + FOOTER, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}.") from error
