"""`framehook conform`: asks any extension server what the protocol asks, and reports what is wrong."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Literal

from tqdm import tqdm

from conformance.checks import CHECKS, GROUPS
from conformance.errors import ConformanceError
from conformance.pictures.photos import own_photos, shipped_photos
from conformance.reports.document import document
from conformance.reports.junit import junit
from conformance.reports.page import page
from conformance.reports.text import text
from conformance.running import Result, report_of, run, selected
from conformance.subject import Subject
from conformance.verdicts import Check
from handlers.server.commands.conforming.asking import FORMATS, asking_options, frame_rate, server_of
from handlers.server.commands.printing import JSON, TABLE, show
from handlers.server.settings import Settings, split


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "conform",
        help="ask an extension server what the protocol asks, and report what is wrong",
        description="Ask any extension server of the Live Video Analytics protocol what the protocol asks, and report "
        f"what is wrong and why it matters (docs/conformance.md). Groups of checks: {', '.join(GROUPS)}.",
        epilog="Exit status: 0 if nothing failed, 1 if something did, 2 if the server could not be asked. "
        "Example: framehook conform http://127.0.0.1:8080/inference --only geometry",
        parents=[asking_options()],
        allow_abbrev=False,
    )
    parser.add_argument("url", nargs="?", metavar="URL", help="where frames are posted; without a path: /inference")
    parser.add_argument("--list", action="store_true", help="list the checks, and ask nothing")
    parser.add_argument("--only", type=split, default=(), metavar="CHECKS", help="ask only these checks or groups")
    parser.add_argument("--skip", type=split, default=(), metavar="CHECKS", help="ask all but these checks or groups")
    parser.add_argument(
        "--hostile", action="store_true", help="ask also what no well-meaning client would: broken frames and requests"
    )
    parser.add_argument(
        "--rate",
        type=frame_rate,
        default=5,
        metavar="FRAMES_PER_S",
        help="the frames per second of the client that the server is for. Default: 5.",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a picture in which the server finds something, instead of the built-in photos; at most 8",
    )
    parser.add_argument("--format", choices=FORMATS, default=TABLE, help="how results are printed. Default: table.")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 also for warnings, and for what could not be told"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one HTML page, too")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the report as JUnit's XML, too")
    parser.set_defaults(command=conform)


def conform(_: Settings, options: argparse.Namespace) -> int:
    """Print the report. Return 1 if the server does not do what is asked, else 0. Raises ConformanceError."""
    checks = selected(CHECKS, options.only, options.skip)
    if options.list:
        _print_list(checks, options.format)
        return 0
    if not options.url:
        raise ConformanceError("Which server? Give the URL that frames are posted to.")
    for path in filter(None, (options.html, options.junit)):
        _open(path, "ab").close()  # what cannot be written is said before the server is asked
    photos = own_photos(options.picture) if options.picture else shipped_photos()
    subject = Subject(server_of(options), photos, options.rate, options.hostile)
    report = report_of(subject, version("framehook"), lambda: _with_progress(subject, checks))
    show(json.dumps(document(report), ensure_ascii=False) if options.format == JSON else text(report))
    _write(options.html, lambda: page(report).encode())
    _write(options.junit, lambda: junit(report))
    return int(report.has_failed or (options.strict and not report.is_full))


def _with_progress(subject: Subject, checks: tuple[Check, ...]) -> Iterator[Result]:
    with tqdm(total=len(checks), unit="check", leave=False, disable=not (sys.stderr and sys.stderr.isatty())) as bar:
        for result in run(subject, checks):
            bar.set_postfix_str(result.check.id, refresh=False)
            bar.update()
            yield result


def _print_list(checks: tuple[Check, ...], form: str) -> None:
    if form == JSON:
        rows = [{"id": each.id, "sentence": each.sentence, "source": each.source.text} for each in checks]
        print(json.dumps(rows, ensure_ascii=False))
        return
    width = max((len(each.id) for each in checks), default=0)
    for each in checks:
        print(f"{each.id:<{width}}  {each.sentence}")


def _write(path: Path | None, content: Callable[[], bytes]) -> None:
    if path:
        with _open(path, "wb") as file:
            file.write(content())


def _open(path: Path, mode: Literal["ab", "wb"]) -> BinaryIO:
    try:
        return path.open(mode)
    except OSError as error:
        raise ConformanceError(f"{path} cannot be written: {error.strerror}.") from error
