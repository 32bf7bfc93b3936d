"""`framehook check`: checks the settings and the models, without serving them."""

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from handlers.dataplane import DataPlane
from handlers.errors import ConfigurationError, EdgeError
from handlers.parsing.numbers import read_number
from handlers.server.commands.checking.checked import Checked, row_of
from handlers.server.commands.offline import own_dataplane, read_named_picture, read_picture
from handlers.server.commands.options import ALL_SETTINGS, settings_options
from handlers.server.commands.printing import TABLE, Say, add_format_to, print_records
from handlers.server.parts import create_recognition
from handlers.server.settings import Settings, split
from handlers.server.traces.creation import refuse_without_extra
from handlers.server.wire.tls import create_tls
from models.errors import ModelConfigError
from models.extras import how_to_install
from models.fitting.doubts import doubts_about
from models.order import FrameOrder
from models.repository.files import CONFIG_FILE_NAME
from models.repository.folder import find_models
from models.repository.golden import refuse_other_results
from models.results import Results
from models.runtime.loading import LoadedModel
from models.runtime.served import Model

SETTINGS = ("model_repository", "models", "default_model")
CHECK_RUNS = 11


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options: all settings, since it checks them all."""
    parser = commands.add_parser(
        "check",
        help="check the settings and the models, then exit",
        description="Check the settings, those of streams, the credentials, the certificate and the models that "
        "`framehook serve` would use, then exit. Loads every model, runs it on a picture, and prints what the model "
        "is, what it finds and how long it takes. The exit status is 0 if everything is right, else 1.",
        parents=[settings_options(SETTINGS, [name for name in ALL_SETTINGS if name not in SETTINGS])],
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
    add_format_to(parser)
    evaluation = parser.add_argument_group("evaluation", f"Needs an extra: {how_to_install('eval')}.")
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
    """Check the settings, load and run every model, and print what is known of each.

    Unless that is a table, what is for people goes to standard error. Raises ConfigurationError, EdgeError or
    ModelsError for the first fault.
    """
    say = print if options.format == TABLE else partial(print, file=sys.stderr)
    if options.folder:
        settings = _settings_for_folder(settings, options.folder)
    picture = read_named_picture(options.picture, settings.max_body_bytes) if options.picture else None
    recognition = create_recognition(settings)
    tls = create_tls(settings)
    if tls:
        say(f"ok: {tls}")
    refuse_without_extra(settings)
    evaluate = _evaluation(options)
    with own_dataplane(settings) as dataplane:
        started_at = time.perf_counter()
        dataplane.engine.load()
        ready_s = time.perf_counter() - started_at
        models = dataplane.engine.served.models
        records = []
        for model in models:
            checked = _checked(dataplane, model, picture, settings.max_body_bytes)
            say("\n".join(checked.lines()))
            records.append(checked.record())
        _check_streams(dataplane, models, say, is_complete=not options.folder)
        accuracies: dict[str, Any] = evaluate(dataplane, settings, options, say) if evaluate else {}
    if options.format != TABLE:
        records = [{**record, "accuracy": accuracies.get(record["model"])} for record in records]
        print_records(options.format, records, row_of)
    if recognition.credentials:
        say(f"ok: {len(recognition.credentials)} credential(s), for the schemes {', '.join(recognition.schemes)}")
    say(f"ok: settings and {len(models)} model(s), ready after {ready_s:.2f} s")
    return 0


def _checked(dataplane: DataPlane, model: Model, picture: bytes | None, max_bytes: int) -> Checked:
    """Run a model, on its golden picture if there is none given; say what is doubtful about what it finds."""
    golden = _golden_picture(dataplane, model, max_bytes)
    results, frame_ms, run_ms = _trial(dataplane, model, picture or golden or _black_picture(model))
    doubts = tuple(_doubts(dataplane, model, picture, golden))
    return Checked(model, results, frame_ms, run_ms, golden=golden is not None, doubts=doubts)


def check_folder(folder: Path, picture: Path) -> int:
    """Check one model's folder, as `framehook check FOLDER --picture FILE` without any setting does."""
    return check(
        Settings(lanes=1), argparse.Namespace(folder=folder, picture=picture, evaluate=None, plot=None, format=TABLE)
    )


def _evaluation(options: argparse.Namespace) -> Callable[..., dict[str, Any]] | None:
    """Return the function that evaluates, if that is wanted; raises ConfigurationError where the extra is missing."""
    if options.evaluate is None:
        if options.plot:
            raise ConfigurationError("--plot goes with --evaluate.")
        return None
    try:
        from handlers.server.commands.evaluating.evaluate import evaluate  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigurationError(f"Evaluating models needs pycocotools: {how_to_install('eval')}.") from error
    return evaluate


def _thresholds(text: str) -> tuple[float, ...]:
    numbers = [read_number(part) for part in split(text)]
    found = tuple(number for number in numbers if number is not None and 0 <= number <= 1)
    if len(found) == len(numbers):
        return found
    raise argparse.ArgumentTypeError("expected numbers from 0 to 1, separated by commas")


def _check_streams(dataplane: DataPlane, models: Sequence[Model], say: Say, *, is_complete: bool) -> None:
    """Print how many streams have settings; raises ConfigurationError when they name what no model has.

    `is_complete`: whether these are all models.
    """
    if is_complete:
        labels = {model.name: tuple(model.folder.reported) for model in models}
        aliases = {alias: labels[name] for alias, name in dataplane.engine.served.aliases.items()}
        dataplane.settings.refuse_unknown_names({**labels, **aliases})
    if len(dataplane.settings):
        say(f"ok: settings of {len(dataplane.settings)} stream(s)")


def _settings_for_folder(settings: Settings, folder: Path) -> Settings:
    """Return the settings for the folder of one model, or for a repository, whose first model is then the default.

    Raises ModelConfigError if the folder is neither.
    """
    if folder.is_file():
        raise ModelConfigError(
            f"{folder} is a file; expected the folder of a model, which `framehook models init {folder}` writes."
        )
    if not folder.is_dir():
        raise ModelConfigError(f"There is no folder {folder}.")
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


def _trial(dataplane: DataPlane, model: Model, picture: bytes) -> tuple[Results, float, float]:
    """Return what a model finds in a picture, and how long a frame and its run take, in ms."""
    took_ms, run_ms = [], []
    for _ in range(CHECK_RUNS):
        started_at = time.perf_counter()
        answered = dataplane.infer(FrameOrder(picture, model=model.name)).result()
        took_ms.append((time.perf_counter() - started_at) * 1000)
        run_ms.append(answered.stages_ms["run"])
    return answered.results, statistics.median(took_ms), statistics.median(run_ms)
