"""A model's folder is tried in a process of its own, which may die of it: python -m models.runtime.trial FOLDER ...

A graph can end the process that loads it, never end, or take all memory. Prints what is wrong with the folder, if
anything, and ends with 0, or with 1 when the model cannot be served.
"""

import argparse
import contextlib
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE

from models.errors import ModelConfigError
from models.repository.folder import read_folder
from models.runtime.loading import load_warm
from models.scheduling.deadlines import Deadlines

REJECTED = 1
NO_MEMORY = "std::bad_alloc"
"""As onnxruntime's message has it when it could get no more."""


@dataclass(slots=True)
class Trial:
    """Has a process of its own load a model and answer a frame; one at a time.

    `wide_threads` and `run_timeout_s` as for serving. `limit_s`: how long it may take. `max_bytes`: how much address
    space it may take. `environment`: what the process gets.
    """

    wide_threads: int
    run_timeout_s: float
    limit_s: float
    max_bytes: int
    environment: Mapping[str, str]
    _process: subprocess.Popen[str] | None = None
    _is_over: bool = False

    def __call__(self, folder: Path) -> None:
        """Try one folder; raises ModelConfigError when it cannot be served."""
        command = [
            sys.executable, "-P", "-m", "models.runtime.trial", str(folder), f"--wide-threads={self.wide_threads}",
            f"--run-timeout-s={self.run_timeout_s}", f"--max-bytes={self.max_bytes}",
        ]  # fmt: skip
        try:
            self._process = subprocess.Popen(command, env=self.environment, stdout=PIPE, stderr=DEVNULL, text=True)  # noqa: S603
        except OSError as error:
            raise ModelConfigError(f"{folder}: no trial could be started: {error.strerror}.") from error
        with self._process as process:
            try:
                if self._is_over:
                    self.close()
                said, _ = process.communicate(timeout=self.limit_s)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise ModelConfigError(f"{folder}: the trial was stopped after {self.limit_s:g} s.") from error
        if process.returncode == REJECTED and said:
            raise ModelConfigError(said)
        if process.returncode:
            raise ModelConfigError(
                f"{folder}: the trial died ({_death(process.returncode)}): the model takes more than {self.max_bytes} "
                "bytes, or onnxruntime cannot bear it."
            )

    def close(self) -> None:
        """End a trial that is under way, and all that begin later."""
        self._is_over = True
        if self._process:
            self._process.kill()


def _death(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


def main() -> int:
    """Try one folder."""
    parser = argparse.ArgumentParser(description="Tries a model's folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wide-threads", type=int, default=1)
    parser.add_argument("--run-timeout-s", type=float, required=True)
    parser.add_argument("--max-bytes", type=int, required=True)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError):  # the limit of this process is lower already
        resource.setrlimit(resource.RLIMIT_AS, (options.max_bytes, options.max_bytes))
    try:
        load_warm(read_folder(options.folder), Deadlines(options.run_timeout_s), options.wide_threads)
    except (ModelConfigError, MemoryError) as error:
        out_of_memory = isinstance(error, MemoryError) or NO_MEMORY in str(error)
        print(f"{options.folder}: the model takes more than {options.max_bytes} bytes." if out_of_memory else error)
        return REJECTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
