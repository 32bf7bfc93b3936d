"""Posts hostile bytes to a running service, and reports the answers and the health of the service.

Run from the repository's root: python -m tools.hostile URL --pid PID [--save FOLDER] PART. The parts: every file of the
public corpora, unchanged and under wrong media types; seeded mutants of good pictures; good pictures cut short at every
length; pictures that are expensive to decode. After every 200 bodies a good frame must get its right answer within a
second. A 503 counts as a failure, so the service's queue must hold eight. Prints a table to standard error and all
figures as one JSON object to standard output. Exits with 1 if anything failed; --save keeps those bodies in FOLDER.
"""

import argparse
import itertools
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tools.hostile import corpora
from tools.hostile.bombs import bombs
from tools.hostile.figures import REFUSED, Failure, Memory, Run, print_table
from tools.hostile.mutations import ENCODED_KINDS, PNG_SIGNATURE, RAW_KIND, Hostile, mutant, raw_media_type
from tools.hostile.pictures import PHOTO, WRITERS, photo
from tools.hostile.target import Answer, Target

INFERRED = frozenset({200, 204})
PROBLEM = "application/problem+json"
AT_ONCE = 8
CONTROL = Hostile("control", PHOTO.name, PHOTO.read_bytes())
CONTROL_EVERY = 200
MOST_MS = 1000
"""Time limits of a good frame between hostile ones, and of a hostile one that is alone."""
SIGNATURES = (b"\xff\xd8", PNG_SIGNATURE, b"RIFF", b"BM")
LABELS = ("image/jpeg", "image/png", "image/webp", "image/bmp")
CUT_SIZE_WH = (24, 18)
SPARE_BYTES = {"png-rgb": 21, "bmp-rle8": 4}
"""Bytes after the last pixel: a PNG has two checksums and the last chunk, an RLE bitmap two end marks."""
FAILED = 1


class ServiceLostError(Exception):
    """The good frame gets no answer even before the first hostile body."""


class Session:
    """Posts bodies to one service, judges the answers, and keeps the bodies that failed.

    Raises ServiceLostError if the good frame gets no right answer at the start.
    """

    def __init__(self, target: Target, folder: Path | None) -> None:
        self._target = target
        self._folder = folder
        self._right = target.post(CONTROL).reply
        if self._right.status not in INFERRED:
            raise ServiceLostError(f"{PHOTO.name} gets {self._right.status}: {self._right.text}")

    def run(self, name: str, bodies: Iterable[Hostile], at_once: int = AT_ONCE) -> Run:
        """Post all bodies, several at once, and the good frame in between; end early if that gets no answer."""
        before_mib, started_at = self._target.memory_mib(), time.perf_counter()
        run = Run(name, at_once, Memory(before_mib, before_mib, before_mib))
        self._target.reset_peak_memory()
        with ThreadPoolExecutor(at_once) as threads:
            post = partial(self._target.post, alone=at_once == 1)
            for batch in _batches(bodies):
                for hostile, answer in zip(batch, threads.map(post, batch), strict=True):
                    run.count(hostile, answer)
                    self._note(run, hostile, answer, _fault(hostile, answer) or _slowness(answer, at_once))
                if not self._control(run):
                    break
        run.memory.after = self._target.memory_mib()
        run.seconds = time.perf_counter() - started_at
        return run

    def _control(self, run: Run) -> bool:
        """Post the good frame; return whether it gets any answer."""
        answer = self._target.post(CONTROL)
        run.control_ms.append(answer.ms)
        fault = None
        if answer.reply != self._right:
            fault = f"the good frame gets {answer.reply.status}: {answer.reply.text[:200]}"
        elif answer.ms > MOST_MS:
            fault = f"the good frame gets its answer after {answer.ms:.0f} ms"
        self._note(run, CONTROL, answer, fault)
        return answer.reply.status is not None

    def _note(self, run: Run, hostile: Hostile, answer: Answer, fault: str | None) -> None:
        if fault:
            head = (hostile.group, hostile.name, hostile.media_type, answer.reply.status)
            run.failures.append(Failure(*head, fault, self._save(hostile)))

    def _save(self, hostile: Hostile) -> str | None:
        """Keep a body, and return its path."""
        if not self._folder:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / re.sub(r"[^\w.-]+", "_", f"{hostile.group}-{hostile.name}")
        path.write_bytes(hostile.body)
        return str(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Post one part's bodies and print the figures; return 1 if anything failed."""
    options = _parser().parse_args(arguments)
    part: Callable[[Session, argparse.Namespace], list[Run]] = options.part
    try:
        runs = part(Session(Target(options.url, options.pid), options.save), options)
    except (ServiceLostError, corpora.CorpusError) as error:
        print(error, file=sys.stderr)
        return FAILED
    print_table(runs)
    print(json.dumps({"runs": [run.report() for run in runs]}))
    return FAILED if any(run.failures for run in runs) else 0


def post_corpora(session: Session, _: argparse.Namespace) -> list[Run]:
    """Post every file one at a time and eight at once; files in other formats also as pictures."""
    files = corpora.files()
    return [
        session.run("corpora, alone", map(_corpus_file, files), at_once=1),
        session.run("corpora, at once", map(_corpus_file, files)),
        session.run("wrong labels", _wrong_labels(files)),
    ]


def post_mutants(session: Session, options: argparse.Namespace) -> list[Run]:
    """Post the mutants from 0 on, or only one."""
    numbers = range(options.count) if options.only is None else [options.only]
    return [session.run("mutants", (mutant(options.seed, number) for number in numbers))]


def post_truncation(session: Session, _: argparse.Namespace) -> list[Run]:
    """Post the beginnings of one file per format."""
    return [session.run("truncation", _beginnings())]


def post_bombs(session: Session, _: argparse.Namespace) -> list[Run]:
    """Post the pictures that are expensive to decode, one at a time."""
    return [session.run("bombs", bombs(), at_once=1)]


def _corpus_file(path: Path) -> Hostile:
    return Hostile(path.parent.name, path.name, path.read_bytes())


def _wrong_labels(files: Iterable[Path]) -> Iterator[Hostile]:
    for path in files:
        body = path.read_bytes()
        if not body.startswith(SIGNATURES):
            for label in LABELS:
                yield Hostile(label, path.name, body, label, must_refuse=True)


def _beginnings() -> Iterator[Hostile]:
    """Yield every beginning of each file; those of a PNG that lack only its end may pass."""
    for kind in ENCODED_KINDS:
        body = WRITERS[kind](photo(CUT_SIZE_WH))
        enough = len(body) - SPARE_BYTES.get(kind, 0)
        for length in range(len(body)):
            yield Hostile(kind, f"{length} of {len(body)}", body[:length], must_refuse=length < enough)
    pixels, label = photo(CUT_SIZE_WH).tobytes(), raw_media_type(*CUT_SIZE_WH)
    for length in range(len(pixels)):
        yield Hostile(RAW_KIND, f"{length} of {len(pixels)}", pixels[:length], label, must_refuse=True)


def _batches(bodies: Iterable[Hostile]) -> Iterator[list[Hostile]]:
    """Yield the bodies in batches, each to be posted between two good frames."""
    remaining = iter(bodies)
    while batch := list(itertools.islice(remaining, CONTROL_EVERY)):
        yield batch


def _fault(hostile: Hostile, answer: Answer) -> str | None:
    """Return what is wrong with an answer."""
    reply = answer.reply
    if reply.status is None:
        return f"no answer: {reply.text}"
    if reply.status in REFUSED:
        return None if reply.media_type == PROBLEM else f"{reply.status} with {reply.media_type or 'no media type'}"
    if reply.status not in INFERRED:
        return f"{reply.status}: {reply.text[:200]}"
    return f"{reply.status} instead of a refusal" if hostile.must_refuse else _fault_of_document(reply.text)


def _slowness(answer: Answer, at_once: int) -> str | None:
    """Report a body that was alone and took too long; others may have waited for their neighbours."""
    return f"{answer.ms:.0f} ms" if at_once == 1 and answer.ms > MOST_MS else None


def _fault_of_document(text: str) -> str | None:
    try:
        document = json.loads(text or '{"inferences": [{}]}', parse_constant=_refuse_constant)
        return None if document["inferences"] else "200 without inferences"
    except (ValueError, KeyError, TypeError):
        return f"200 with {text[:200]!r}"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Posts hostile bytes to a running service.")
    parser.add_argument("url", metavar="URL", help="address of the service")
    parser.add_argument("--pid", type=int, required=True, help="its process, to read its memory")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the bodies that failed in this folder")
    parts = parser.add_subparsers(required=True, metavar="PART")
    parts.add_parser("corpora", help="public pictures, broken and odd").set_defaults(part=post_corpora)
    parts.add_parser("truncation", help="pictures cut short").set_defaults(part=post_truncation)
    parts.add_parser("bombs", help="pictures that are expensive to decode").set_defaults(part=post_bombs)
    mutants = parts.add_parser("mutants", help="pictures changed at random")
    mutants.add_argument("--count", type=int, default=100_000, help="how many. Default: %(default)s.")
    mutants.add_argument("--seed", type=int, default=1, help="Default: %(default)s.")
    mutants.add_argument("--only", type=int, metavar="NUMBER", help="only this one")
    mutants.set_defaults(part=post_mutants)
    return parser


if __name__ == "__main__":
    sys.exit(main())
