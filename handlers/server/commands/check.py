"""`framehook check`: checks the settings and the models, without serving them."""

import argparse
import io
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from handlers.dataplane import DataPlane
from handlers.errors import ConfigurationError, EdgeError
from handlers.parsing.numbers import read_number
from handlers.server.commands.offline import own_dataplane, read_named_picture, read_picture
from handlers.server.commands.options import ALL_SETTINGS, settings_options
from handlers.server.parts import create_recognition
from handlers.server.settings import Settings, split
from handlers.server.wire.tls import create_tls
from models.errors import ModelConfigError
from models.families import Signature
from models.fitting.doubts import doubts_about
from models.order import FrameOrder
from models.repository.files import CONFIG_FILE_NAME
from models.repository.folder import find_models
from models.repository.golden import found_in, refuse_other_results
from models.results import Results
from models.runtime.loading import LoadedModel
from models.runtime.served import Model

CHECK_RUNS = 11
SHOWN_RESULTS = 5


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options: all settings, since it checks them all."""
    parser = commands.add_parser(
        "check",
        help="check the settings and the models, then exit",
        description="Check the settings, those of streams, the credentials, the certificate and the models that "
        "`framehook serve` would use, then exit. Loads every model, runs it on a picture, and prints what the model "
        "is, what it finds and how long it takes. The exit status is 0 if everything is right, else 1.",
        parents=[settings_options(ALL_SETTINGS)],
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="a model, or a repository of models; by default the configured repository",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="the picture to run the models on; by default the golden picture of the model, else a black one",
    )
    evaluation = parser.add_argument_group("evaluation", "Needs the extra: pip install 'framehook[eval]'.")
    evaluation.add_argument(
        "--evaluate",
        type=Path,
        metavar="PLACE",
        help="also say how good the models are, side by side, on labelled pictures: a folder in COCO's or YOLO's "
        "format, or a JSON file in COCO's",
    )
    evaluation.add_argument(
        "--thresholds",
        type=_thresholds,
        default=(0.25, 0.5, 0.75),
        metavar="LIST",
        help="the confidences at which to give precision and recall, separated by commas; by default 0.25,0.5,0.75",
    )
    evaluation.add_argument("--plot", type=Path, metavar="FILE", help="write curves of precision over recall as a PNG")
    parser.set_defaults(command=check)


def check(settings: Settings, options: argparse.Namespace) -> int:
    """Check the settings, load and run every model, and print a line about each.

    Raises ConfigurationError, EdgeError or ModelsError for the first fault.
    """
    if options.folder:
        settings = _settings_for_folder(settings, options.folder)
    picture = read_named_picture(options.picture, settings.max_body_bytes) if options.picture else None
    recognition = create_recognition(settings)
    tls = create_tls(settings)
    if tls:
        print(f"ok: {tls}")
    evaluate = _evaluation(options)
    with own_dataplane(settings) as dataplane:
        started_at = time.perf_counter()
        dataplane.engine.load()
        ready_s = time.perf_counter() - started_at
        models = dataplane.engine.served.models
        for model in models:
            _check_model(dataplane, model, picture, settings.max_body_bytes)
        _check_streams(dataplane, models, is_complete=not options.folder)
        if evaluate:
            evaluate(dataplane, settings, options.evaluate, options.thresholds, options.plot)
    if recognition.credentials:
        print(f"ok: {len(recognition.credentials)} credential(s), for the schemes {', '.join(recognition.schemes)}")
    print(f"ok: settings and {len(models)} model(s), ready after {ready_s:.2f} s")
    return 0


def _check_model(dataplane: DataPlane, model: Model, picture: bytes | None, max_bytes: int) -> None:
    """Print what a model is, what it finds, and what is doubtful about that."""
    golden = _golden_picture(dataplane, model, max_bytes)
    print(f"ok: {model.name} {_shape(model)}")
    print(f"    {_trial_answer(dataplane, model, picture or golden or _black_picture(model))}")
    if golden:
        print("    the golden picture gives the expected results")
    for doubt in _doubts(dataplane, model, picture, golden):
        print(f"    doubtful: {doubt}")


def check_folder(folder: Path, picture: Path) -> int:
    """Check one model's folder, as `framehook check FOLDER --picture FILE` without any setting does."""
    return check(Settings(lanes=1), argparse.Namespace(folder=folder, picture=picture, evaluate=None, plot=None))


def _evaluation(options: argparse.Namespace) -> Callable[..., None] | None:
    """Return the function that evaluates, if that is wanted; raises ConfigurationError where the extra is missing."""
    if options.evaluate is None:
        if options.plot:
            raise ConfigurationError("--plot goes with --evaluate.")
        return None
    try:
        from handlers.server.commands.evaluating.evaluate import evaluate  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigurationError("Evaluating models needs pycocotools: pip install 'framehook[eval]'.") from error
    return evaluate


def _thresholds(text: str) -> tuple[float, ...]:
    numbers = [read_number(part) for part in split(text)]
    found = tuple(number for number in numbers if number is not None and 0 <= number <= 1)
    if len(found) == len(numbers):
        return found
    raise argparse.ArgumentTypeError("expected numbers from 0 to 1, separated by commas")


def _check_streams(dataplane: DataPlane, models: Sequence[Model], *, is_complete: bool) -> None:
    """Print how many streams have settings; raises ConfigurationError when they name what no model has.

    `is_complete`: whether these are all models.
    """
    if is_complete:
        labels = {model.name: tuple(model.folder.reported) for model in models}
        aliases = {alias: labels[name] for alias, name in dataplane.engine.served.aliases.items()}
        dataplane.settings.refuse_unknown_names({**labels, **aliases})
    if len(dataplane.settings):
        print(f"ok: settings of {len(dataplane.settings)} stream(s)")


def _settings_for_folder(settings: Settings, folder: Path) -> Settings:
    """Return the settings for the folder of one model, or for a repository, whose first model is then the default.

    Raises ModelConfigError if the folder is neither.
    """
    if not folder.is_dir():
        raise ModelConfigError(f"{folder} is not a folder.")
    is_model = (folder / CONFIG_FILE_NAME).exists()
    root, names = (folder.resolve().parent, (folder.resolve().name,)) if is_model else (folder, ())
    served = [*find_models((root,), names)]
    default = settings.default_model if settings.default_model in served else served[0]
    return settings.model_copy(update={"model_repository": (root,), "models": names, "default_model": default})


def _golden_picture(dataplane: DataPlane, model: Model, max_bytes: int) -> bytes | None:
    """Return the model's golden picture, or None if it has none.

    Raises ModelConfigError if the model does not find the expected results in it.
    """
    golden = model.folder.config.golden
    if golden is None:
        return None
    path = model.folder.path / golden.picture
    try:
        picture = read_picture(path, max_bytes)
        results = dataplane.infer(FrameOrder(picture, model=model.name)).result().results
    except OSError as error:
        raise ModelConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except EdgeError as error:
        raise ModelConfigError(f"{path}: {error}") from error
    refuse_other_results(model.folder, golden, results)
    return picture


def _shape(model: Model) -> str:
    """Return family, labels, input size and tensors of a loaded model, and each chained model on a line of its own."""
    config = model.folder.config
    width, height = config.input.size_wh
    signature = model.loaded.signature if model.loaded else Signature({}, {})
    tensors = [f"{name} {tensor}" for name, tensor in (*signature.inputs.items(), *signature.outputs.items())]
    chained = [f"\n    then {link.model}, for {', '.join(link.labels or ['all labels'])}" for link in config.then]
    return (
        f"(family {config.family.name}, {len(model.folder.labels)} labels, {width} x {height}, "
        f"on {', '.join(config.execution.providers)}: {'; '.join(tensors)}){''.join(chained)}"
    )


def _doubts(dataplane: DataPlane, model: Model, picture: bytes | None, golden: bytes | None) -> Iterator[str]:
    """Yield what looks wrong about a model, on its golden picture, whose results are known, else on the one given."""
    loaded, config = model.loaded, model.folder.config
    if (body := golden or picture) and isinstance(loaded, LoadedModel) and config.input.resize != "within":
        frame = dataplane.codec.whole(FrameOrder(body))
        expected = config.golden.expect if golden and config.golden else ()
        yield from doubts_about(model.folder, loaded, frame, expected)


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
    labels = ", ".join(itertools.islice(_in_words(answered.results), SHOWN_RESULTS)) or "nothing"
    frame_ms = statistics.median(took_ms)
    return f"found {labels}; {frame_ms:.1f} ms a frame, {statistics.median(run_ms):.1f} of it the run"


def _in_words(results: Results) -> Iterator[str]:
    """Yield each result with what chained models say of it: cup 0.96 (kind: espresso 0.90)."""
    for number, result in enumerate(found_in(results)):
        chained = [each for detection in results.detections[number : number + 1] for each in detection.chained]
        said = "; ".join(f"{each.model}: {', '.join(_in_words(each.results))}" for each in chained)
        yield f"{result.label} {result.confidence:.2f}{f' ({said})' if said else ''}"
    for embedding in results.embeddings:
        yield f"a vector of {len(embedding.content) // 4} numbers"
