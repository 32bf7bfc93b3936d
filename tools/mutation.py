"""Counts how many simple mutants the tests catch: mutmut makes them, in the code where numbers and indices matter.

Run as `python -m tools.mutation [PART...] [--sample N] [--seed N] [--files PATTERN...]`. A mutant is one small change,
such as `<` for `<=` or 1 for 0; mutmut runs the unit tests that reach the changed function, in a copy of the tree.
tests/mutants.toml has faults that such a tool does not make.
"""

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from tools.mutants import BrokenMutantError, copied_tree, environment, run_command

SOURCES = ("handlers", "models", "scene", "player", "conformance")
RESULT = re.compile(r"^ +(\S+): (.+)$", re.MULTILINE)
CAUGHT = {"killed", "timeout", "segfault"}
"""mutmut's statuses of mutants that make the tests fail, hang or crash."""


@dataclass(frozen=True, slots=True)
class Part:
    """Code to mutate, as patterns of paths, and the tests that call it in their own process, not through a server."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one mutant. `diff`: the change, empty if the tests caught it."""

    name: str
    status: str
    diff: str


PARTS = {
    "decoding": Part(
        files=("handlers/decoding/*.py",),
        tests=(
            "tests/handlers/test_expensive_texts.py",
            "tests/handlers/decoding/test_decoding.py",
            "tests/handlers/decoding/test_luma.py",
            "tests/handlers/decoding/test_raw.py",
            "tests/handlers/decoding/test_raw_description.py",
            "tests/models/test_letterbox.py",
        ),
    ),
    "families": Part(
        files=("models/families/*.py",),
        tests=(
            "tests/models/families/test_blazeface.py",
            "tests/models/families/test_classifier.py",
            "tests/models/families/test_detr.py",
            "tests/models/families/test_every_detector.py",
            "tests/models/families/test_every_family.py",
            "tests/models/families/test_grid_detectors.py",
            "tests/models/families/test_grid_files.py",
            "tests/models/families/test_ppocr.py",
            "tests/models/families/test_ssd.py",
            "tests/models/test_letterbox.py",
        ),
    ),
    "geometry": Part(
        files=("models/boxes.py", "models/frame.py", "models/letterbox.py"),
        tests=("tests/models/test_boxes.py", "tests/models/test_frame.py", "tests/models/test_letterbox.py"),
    ),
    "scene": Part(files=("scene/*.py",), tests=("tests/scene/test_geometry.py", "tests/scene/test_motion.py")),
}

CONFIGURATION = """
[tool.mutmut]
source_paths = {sources}
only_mutate = {files}
also_copy = {others}
pytest_add_cli_args = ["-p", "no:cacheprovider", "--hypothesis-seed=0"]
pytest_add_cli_args_test_selection = {tests}
do_not_mutate_patterns = ['raise ']
process_isolation = "forkserver"
use_git_change_detection = false
"""
"""Error messages are not mutated: their wording is no promise."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants of each part and print the results; return 1 if a part could not be run."""
    parser = argparse.ArgumentParser(description="Counts how many simple mutants of the code the tests catch.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all by default; of {', '.join(PARTS)}")
    parser.add_argument("--files", nargs="+", metavar="PATTERN", help="only these files, with the tests of the part")
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants of each part, drawn at random")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the draw")
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - PARTS.keys()
    if unknown:
        parser.error(f"there is no part {unknown.pop()}; the parts are: {', '.join(PARTS)}")
    try:
        for name in options.parts or PARTS:
            files = tuple(options.files or PARTS[name].files)
            print_results(name, run_part(Part(files, PARTS[name].tests), options.sample, options.seed))
    except BrokenMutantError as error:
        print(error, flush=True)
        return 1
    return 0


def run_part(part: Part, sample: int | None, seed: int) -> list[Result]:
    """Run the mutants of one part, or a sample of them; raises BrokenMutantError if mutmut cannot run the tests."""
    with copied_tree() as copy:
        others = sorted(path.name for path in copy.iterdir() if path.name not in {*SOURCES, "pyproject.toml"})
        lists = {"sources": SOURCES, "files": part.files, "others": others, "tests": part.tests}
        configuration = CONFIGURATION.format(**{key: json.dumps(values) for key, values in lists.items()})
        with (copy / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(configuration)
        chosen = () if sample is None else draw_sample(copy, part.files, sample, seed)
        run_mutmut(copy, "run", *chosen)
        statuses = RESULT.findall(run_mutmut(copy, "results", "--all", "true"))
        return [
            Result(name, status, "" if status in CAUGHT else run_mutmut(copy, "show", name))
            for name, status in statuses
            if status != "not checked"
        ]


def draw_sample(copy: Path, patterns: Sequence[str], count: int, seed: int) -> list[str]:
    """Return the names of at most `count` mutants of these files; the same for the same seed and code."""
    from mutmut.configuration import reset_config  # noqa: PLC0415  # scripts/mutation alone installs it
    from mutmut.mutation.file_mutation import mutate_file_contents  # noqa: PLC0415
    from mutmut.utils.format_utils import get_mutant_name  # noqa: PLC0415

    with chdir(copy):  # where mutmut looks for its configuration
        reset_config()
        names = [
            get_mutant_name(path, mutant)
            for path in sorted({path for pattern in patterns for path in Path().glob(pattern)})
            for mutant in mutate_file_contents(str(path), path.read_text(encoding="utf-8")).mutant_names
        ]
    return random.Random(seed).sample(names, min(count, len(names)))


def run_mutmut(copy: Path, *arguments: str) -> str:
    """Return the output of mutmut, run on the copy; raises BrokenMutantError if it fails."""
    return run_command([str(Path(sys.executable).with_name("mutmut")), *arguments], copy, environment(copy))


def print_results(part: str, results: Sequence[Result]) -> None:
    """Print the mutants that the tests did not catch, and how many they caught."""
    for result in results:
        if result.status not in CAUGHT:
            print(f"{result.name}: {result.status}\n{result.diff}", flush=True)
    counts = Counter("caught" if result.status in CAUGHT else result.status for result in results)
    others = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()) if status != "caught")
    print(f"{part}: {counts['caught']} of {len(results)} mutants caught; {others or 'none left'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
