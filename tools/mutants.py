"""Checks that the tests notice faults: breaks a copy of the service in one way after another and runs the tests.

Run from anywhere: python tools/mutants.py [NAME...]. Each row of tests/mutants.toml is one fault: a text in a file, its
replacement, and the tests that must fail. The working tree itself is never changed.
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
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "tests" / "mutants.toml"
TIMEOUT_S = 180
CONTROL_TIMEOUT_S = 900
MAX_REPEATED = 10
"""The control may not have this many failures."""
PASSED, FAILED = 0, 1
"""Exit statuses of pytest; any other means that it could not run the tests."""

FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+\.py\b.*?)(?: - .*)?$", re.MULTILINE)

Text = Annotated[str, Field(min_length=1)]


class BrokenMutantError(Exception):
    """A mutant proves nothing: its row is malformed, its text is not in the file, or its tests cannot run."""


class Mutant(BaseModel):
    """One fault: `old`, which occurs exactly once in `file`, becomes `new`. `tests`: node ids of pytest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    claim: Text
    file: Text
    old: Text
    new: str
    tests: Annotated[tuple[Text, ...], Field(min_length=1)]

    def broken_text(self, root: Path) -> str:
        """Return the text of the file with the fault; raises BrokenMutantError if `old` does not fit."""
        try:
            text = (root / self.file).read_text(encoding="utf-8")
        except OSError as error:
            raise BrokenMutantError(f"{self.file} cannot be read: {error.strerror}") from error
        count = text.count(self.old)
        if count != 1 or self.new == self.old:
            raise BrokenMutantError(
                f"expected `old` once in {self.file}, and another text as `new`, got it {count} times"
            )
        broken = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            try:
                compile(broken, self.file, "exec")
            except SyntaxError as error:
                raise BrokenMutantError(
                    f"{self.file} is no Python with it: line {error.lineno}: {error.msg}"
                ) from error
        return broken


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one run of pytest; `status` is None after a timeout."""

    status: int | None
    output: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the control and the mutants; return 1 if one survives or proves nothing."""
    parser = argparse.ArgumentParser(description="Breaks the service on purpose and checks that the tests notice.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only the mutants whose names begin with one of these")
    try:
        mutants = choose_mutants(read_mutants(ROWS), parser.parse_args(arguments).names)
        run_control(mutants)
    except BrokenMutantError as error:
        print(error, flush=True)
        return FAILED
    verdicts = [print_verdict(mutant) for mutant in mutants]
    print(f"{sum(verdicts)} of {len(verdicts)} mutants caught")
    return PASSED if all(verdicts) else FAILED


def read_mutants(path: Path) -> list[Mutant]:
    """Return the rows of the file in order; raises BrokenMutantError if it is malformed."""
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))
        return [Mutant.model_validate({"name": name} | row) for name, row in rows.items()]
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise BrokenMutantError(f"{path.name}: {error}") from error


def choose_mutants(mutants: Sequence[Mutant], prefixes: Sequence[str]) -> list[Mutant]:
    """Return the mutants whose names begin with one of the prefixes, or all when there are none.

    Raises BrokenMutantError when no name begins with one of them.
    """
    for prefix in prefixes:
        if not any(mutant.name.startswith(prefix) for mutant in mutants):
            raise BrokenMutantError(f"no mutant's name begins with {prefix}")
    return [mutant for mutant in mutants if not prefixes or mutant.name.startswith(tuple(prefixes))]


def run_control(mutants: Sequence[Mutant]) -> None:
    """Run every named test against the service as it is; raises BrokenMutantError unless they pass.

    Failed tests are repeated once: some depend on time, and the machine may be busy.
    """
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    with copied_tree() as copy:
        run = run_pytest(copy, tests, CONTROL_TIMEOUT_S, f"--maxfail={MAX_REPEATED}")
        summary = run.output.strip().splitlines()[-1]
        failed = list(dict.fromkeys(FAILURE.findall(run.output)))
        if run.status == FAILED and 0 < len(failed) < MAX_REPEATED:
            run = run_pytest(copy, failed, CONTROL_TIMEOUT_S)
    if run.status != PASSED:
        raise BrokenMutantError(f"control: the tests fail on the service as it is\n{run.output[-5000:]}")
    print(f"control: {summary}", flush=True)


def print_verdict(mutant: Mutant) -> bool:
    """Run one mutant, print its line, and return whether it was caught."""
    try:
        caught_by = run_mutant(mutant)
    except BrokenMutantError as error:
        print(f"{mutant.name}: {error}", flush=True)
        return False
    print(f"{mutant.name}: {f'caught by {caught_by}' if caught_by else 'SURVIVED'}", flush=True)
    return caught_by is not None


def run_mutant(mutant: Mutant) -> str | None:
    """Return the first test that fails, or None; raises BrokenMutantError."""
    broken = mutant.broken_text(ROOT)
    with copied_tree() as copy:
        (copy / mutant.file).write_text(broken, encoding="utf-8")
        run = run_pytest(copy, mutant.tests, TIMEOUT_S)
    if run.status == PASSED:
        return None
    if run.status is None:
        return f"the time limit of {TIMEOUT_S} s"
    failure = FAILURE.search(run.output)
    if run.status != FAILED or not failure:
        raise BrokenMutantError(f"its tests could not run\n{run.output[-5000:]}")
    return failure[1]


@contextmanager
def copied_tree() -> Iterator[Path]:
    """Yield a copy of the files that git tracks or would add, after a check that imports come from the copy."""
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
    """Raise BrokenMutantError unless Python imports the packages from the copy, in any working directory."""
    program = "import handlers, models; print(handlers.__file__, models.__file__, sep='\\n')"
    for file in run_command([sys.executable, "-c", program], copy.parent, environment(copy)).splitlines():
        if not Path(file).resolve().is_relative_to(copy):
            raise BrokenMutantError(f"{file} would be tested instead of the copy")


def environment(copy: Path) -> dict[str, str]:
    """Return an environment in which the copy comes before the installed package, in subprocesses too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FRAMEHOOK_", "COVERAGE_"))}
    return {**kept, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def run_command(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> str:
    """Return the output of a command; raises BrokenMutantError if it fails."""
    run = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BrokenMutantError(f"{shlex.join(command[:2])} failed: {run.stderr.strip()}")
    return run.stdout


def run_pytest(copy: Path, tests: Sequence[str], timeout_s: float, stop: str = "--exitfirst") -> Run:
    """Run these tests in the copy. `stop`: the option that limits the number of failures."""
    command = [sys.executable, "-m", "pytest", stop, "-q", "-p", "no:cacheprovider", *tests]
    with subprocess.Popen(
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
