"""`framehook infer`: runs a model on pictures and videos, without a server."""

import argparse
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from handlers.decoding.encoded import FORMAT_NAMES
from handlers.parsing.numbers import read_number, read_whole_number
from handlers.server.commands.inferring.annotated import Annotated
from handlers.server.commands.inferring.answers import Outcome, answer_in_order, fault_at_the_end, record_of
from handlers.server.commands.inferring.reports import Csv, JsonLines, Printer, Report, Table
from handlers.server.commands.inferring.sources import Source, find_files, read_shots
from handlers.server.commands.offline import own_dataplane
from handlers.server.commands.options import above_zero, settings_options
from handlers.server.commands.printing import CSV, TABLE, add_format_to
from handlers.server.settings import Settings, split
from handlers.streams.settings_files import read_settings, refuse_unknown_names
from models.extras import how_to_install
from models.order import FrameOrder
from models.results import MAX_DETECTIONS

SETTINGS = ("model_repository", "lanes", "max_pixels")

MAX_RATE = 1000
"""Frames per second; no video has so many."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "infer",
        help="run a model on pictures and videos, without a server",
        description="Run a model on pictures and videos, without a server, and print what it finds. Videos need an "
        f"extra: {how_to_install('video')}.",
        parents=[settings_options(SETTINGS)],
        allow_abbrev=False,
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help=f"a {FORMAT_NAMES} picture, a video, a folder of pictures and videos, or a pattern in quotes: '**/*.mp4'",
    )
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
        "--rate",
        type=above_zero("a number of frames per second", MAX_RATE),
        metavar="FRAMES_PER_S",
        help="take only so many frames of a video per second",
    )
    parser.add_argument(
        "--annotate", type=Path, metavar="FOLDER", help="write pictures and videos with boxes drawn to this folder"
    )
    parser.add_argument(
        "--stream-settings",
        type=Path,
        metavar="FILE",
        help="answer as a stream with these settings would be answered, each video being a stream",
    )
    add_format_to(parser)
    parser.set_defaults(command=infer)


def infer(settings: Settings, options: argparse.Namespace) -> int:
    """Print what is found in each picture and frame. Return 1 if any file failed, else 0.

    Raises ConfigurationError for a folder or a pattern without files, and for wrong settings of a stream.
    """
    sources = find_files(options.files)
    stream_settings = read_settings(options.stream_settings) if options.stream_settings else None
    name = options.model or (stream_settings and stream_settings.model) or settings.default_model
    alone = settings.model_copy(update={"models": (name,), "default_model": name})  # the others need not be loaded
    order = FrameOrder(
        upright=True,
        encoding="metadata",
        confidence=options.confidence,
        labels=options.labels,
        max_detections=options.max_detections,
        settings=stream_settings,
    )
    printer = Printer(_report(options, sources))
    with own_dataplane(alone) as dataplane:
        dataplane.refuse_unknown_labels(order)
        if stream_settings:
            labels = {name: dataplane.find_model(order).folder.reported}
            refuse_unknown_names(stream_settings.model_copy(update={"model": name}), options.stream_settings, labels)
        dataplane.engine.load()
        printer.begin()
        outcomes = answer_in_order(dataplane, order, read_shots(sources, settings, options.rate))
        for source, shots in tqdm(_by_source(outcomes), total=len(sources), unit="file", disable=len(sources) == 1):
            annotated = Annotated(options.annotate, source, dataplane.codec.decoder) if options.annotate else None
            for outcome in _with_progress(source, shots):
                printer.print(record_of(outcome, annotated))
            if annotated and (fault := fault_at_the_end(annotated, source)):
                printer.print(fault)
    return int(printer.failed)


def _by_source(outcomes: Iterable[Outcome]) -> Iterator[tuple[Source, Iterator[Outcome]]]:
    return itertools.groupby(outcomes, lambda outcome: outcome.shot.source)


def _with_progress(source: Source, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield the outcomes; for a video, show a progress bar."""
    if not source.is_video:
        yield from outcomes
        return
    with tqdm(unit="frame", leave=False) as bar:
        for outcome in outcomes:
            if outcome.shot.number is not None:
                bar.total = outcome.shot.frame_count
                bar.update(outcome.shot.number + 1 - bar.n)
            yield outcome


def _report(options: argparse.Namespace, sources: Sequence[Source]) -> Report:
    if options.format == CSV:
        return Csv()
    if options.format == TABLE:
        timed = any(source.is_video for source in sources)
        return Table(list(map(str, sources)), timed=timed, has_outcomes=options.stream_settings is not None)
    return JsonLines()


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
