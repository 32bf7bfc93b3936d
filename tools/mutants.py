"""Shows that the tests bite: breaks the service in one way after another, and has them find out.

Run from anywhere: python tools/mutants.py [NAME...]. Each patch in tests/mutants names, above its diff, what it breaks
(`Claim:`) and the tests that should notice (`Tests:`, arguments of pytest). It is applied to a copy of the working
tree, never to the tree itself. A NAME is a patch's file name, or the beginning of one.
"""

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATCHES = ROOT / "tests" / "mutants"
TIMEOUT_S = 180
CONTROL_TIMEOUT_S = 900
PASSED, FAILED = 0, 1
"""Exit statuses of pytest; the others mean that it could not run the tests at all."""

FIELDS = re.compile(r"^Claim: (?P<claim>.+)\nTests: (?P<tests>.+)$", re.MULTILINE)
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+\.py\b.*?)(?: - .*)?$", re.MULTILINE)


class BrokenMutantError(Exception):
    """A mutant proves nothing: it names no tests, does not apply, or keeps its tests from running."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One way to break the service. `tests`: arguments of pytest."""

    path: Path
    claim: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """How one run of pytest ended; `status` is None when it ran out of time."""

    status: int | None
    output: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the control and the mutants; 1 when one survives or proves nothing."""
    parser = argparse.ArgumentParser(description="Breaks the service on purpose, and has the tests find out.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only the mutants whose file names begin like this")
    try:
        mutants = [read_mutant(path) for path in chosen_patches(parser.parse_args(arguments).names)]
        run_control(mutants)
    except BrokenMutantError as error:
        print(error, flush=True)
        return FAILED
    verdicts = [print_verdict(mutant) for mutant in mutants]
    print(f"{sum(verdicts)} of {len(verdicts)} mutants caught")
    return PASSED if all(verdicts) else FAILED


def chosen_patches(names: Sequence[str]) -> list[Path]:
    """Return the patches whose names begin with one of `names`, or all; raises BrokenMutantError when a name has none.

    In the order of their names.
    """
    paths = sorted(PATCHES.glob("*.patch"))
    for name in names:
        if not any(path.name.startswith(name) for path in paths):
            raise BrokenMutantError(f"no mutant's name begins with {name}")
    return [path for path in paths if not names or path.name.startswith(tuple(names))]


def read_mutant(path: Path) -> Mutant:
    """Read the head of one patch; raises BrokenMutantError when a line is missing."""
    match = FIELDS.match(path.read_text(encoding="utf-8"))
    if not match:
        raise BrokenMutantError(f"{path.name}: expected the lines Claim: and Tests: above the diff")
    return Mutant(path, match["claim"], tuple(shlex.split(match["tests"])))


def run_control(mutants: Sequence[Mutant]) -> None:
    """Run every named test against the service as it is; raises BrokenMutantError unless they pass."""
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    with copied_tree() as copy:
        run = run_pytest(copy, tests, CONTROL_TIMEOUT_S)
    if run.status != PASSED:
        raise BrokenMutantError(f"control: the tests fail on the service as it is\n{run.output[-5000:]}")
    print(f"control: {run.output.strip().splitlines()[-1]}", flush=True)


def print_verdict(mutant: Mutant) -> bool:
    """Run one mutant, print its line, and tell whether it was caught."""
    try:
        caught_by = run_mutant(mutant)
    except BrokenMutantError as error:
        print(f"{mutant.path.stem}: {error}", flush=True)
        return False
    print(f"{mutant.path.stem}: {f'caught by {caught_by}' if caught_by else 'SURVIVED'}", flush=True)
    return caught_by is not None


def run_mutant(mutant: Mutant) -> str | None:
    """Return the first test that notices, or None; raises BrokenMutantError."""
    with copied_tree() as copy:
        apply_patch(mutant.path, copy)
        run = run_pytest(copy, mutant.tests, TIMEOUT_S)
    if run.status == PASSED:
        return None
    if run.status is None:
        return f"the time limit of {TIMEOUT_S} s"
    failure = FIRST_FAILURE.search(run.output)
    if run.status != FAILED or not failure:
        raise BrokenMutantError(f"its tests could not run\n{run.output[-5000:]}")
    return failure[1]


def apply_patch(path: Path, copy: Path) -> None:
    """Break the copy; raises BrokenMutantError when the patch does not fit."""
    # below a checkout git would take the paths for that checkout's, and skip them without a word
    ceiling = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    run_command(["git", "apply", str(path)], copy, ceiling)


@contextmanager
def copied_tree() -> Iterator[Path]:
    """Give a copy of the files that git knows or would know, and check that it is the copy that gets imported."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = run_command(listed, ROOT, os.environ).split("\0")
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder).resolve() / "copy"
        for name in names:
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
        check_imports(copy)
        yield copy


def check_imports(copy: Path) -> None:
    """Raise BrokenMutantError unless both packages come from the copy, wherever a program is started."""
    tell = "import handlers, models; print(handlers.__file__, models.__file__, sep='\\n')"
    told = run_command([sys.executable, "-c", tell], copy.parent, environment(copy))
    for file in told.splitlines():
        if not Path(file).resolve().is_relative_to(copy):
            raise BrokenMutantError(f"{file} would be tested instead of the copy")


def environment(copy: Path) -> dict[str, str]:
    """Return the environment in which the copy comes before the installed package; subprocesses inherit it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FRAMEHOOK_", "COVERAGE_"))}
    return {**kept, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def run_command(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> str:
    """Return what one of our own commands prints; raises BrokenMutantError when it fails."""
    run = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise BrokenMutantError(f"{shlex.join(command[:2])} failed: {run.stderr.strip()}")
    return run.stdout


def run_pytest(copy: Path, tests: Sequence[str], timeout_s: float) -> Run:
    """Run these tests in the copy until the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    with subprocess.Popen(  # noqa: S603
        command,
        cwd=copy,
        env=environment(copy),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that servers started by tests end with them
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Run(None, process.communicate()[0])
    return Run(process.returncode, output)


if __name__ == "__main__":
    sys.exit(main())
