"""The trial of a model's folder, in a process of its own: python -m models.runtime.trial FOLDER ...

A graph can crash the process that loads it, never end, or take all memory, also for some frames only: several are
tried. The process exits with 0 when the model can be served; otherwise it prints why not and exits with 1.
"""

import argparse
import contextlib
import math
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE

import numpy as np
from PIL import Image

from models.backends.watchdog import NO_MEMORY
from models.errors import ModelConfigError
from models.frame import DecodeTarget, Frame
from models.repository.folder import ModelFolder, read_folder
from models.runtime.loading import flat_frame, load_warm
from models.scheduling.deadlines import Deadlines

MAX_BYTES = 4 << 30
"""The address space that a trial may take."""
REJECTED = 1


@dataclass(slots=True)
class Trial:
    """Loads a model and runs it on a few frames, in a process of its own; one at a time.

    `wide_threads` and `run_timeout_s`: as for serving. `limit_s`: how long the trial may take. `environment`: of the
    process. `max_bytes`: how much address space the process may take.
    """

    wide_threads: int
    run_timeout_s: float
    limit_s: float
    environment: Mapping[str, str]
    max_bytes: int = MAX_BYTES
    _process: subprocess.Popen[str] | None = None
    _is_over: bool = False

    def __call__(self, folder: Path) -> None:
        """Try one folder; raises ModelConfigError when it cannot be served."""
        command = [
            sys.executable, "-P", "-m", "models.runtime.trial", str(folder), f"--wide-threads={self.wide_threads}",
            f"--run-timeout-s={self.run_timeout_s}", f"--max-bytes={self.max_bytes}",
            f"--max-cpu-s={math.ceil(self.limit_s) * max(1, os.cpu_count() or 1)}",
        ]  # fmt: skip
        try:
            self._process = subprocess.Popen(command, env=self.environment, stdout=PIPE, stderr=DEVNULL, text=True)  # noqa: S603
        except OSError as error:
            raise ModelConfigError(f"{folder}: the trial could not be started: {error.strerror}.") from error
        with self._process as process:
            try:
                if self._is_over:
                    self.close()
                output, _ = process.communicate(timeout=self.limit_s)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise ModelConfigError(f"{folder}: the trial was stopped after {self.limit_s:g} s.") from error
        if process.returncode == REJECTED and output:
            raise ModelConfigError(output)
        if process.returncode:
            raise ModelConfigError(
                f"{folder}: the trial crashed ({_cause_of(process.returncode)}): the model takes more than "
                f"{self.max_bytes} bytes, or it crashes onnxruntime."
            )

    def close(self) -> None:
        """End a trial that is running, and every trial that begins later."""
        self._is_over = True
        if self._process:
            self._process.kill()


def trial_frames(folder: ModelFolder, target: DecodeTarget) -> Iterator[Frame]:
    """Yield a white frame, noise, and the golden picture if there is one that can be read."""
    yield flat_frame(target, 255)
    width, height = target.size_wh
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    yield Frame(noise, "rgb", target.size_wh)
    if folder.config.golden:
        with contextlib.suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            path = folder.path / folder.config.golden.picture
            with Image.open(path, formats=["JPEG", "PNG", "WEBP", "BMP"]) as picture:
                pixels = np.asarray(picture.convert("RGB").resize(target.size_wh))
            yield Frame(pixels, "rgb", target.size_wh)


def _cause_of(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


def main() -> int:
    """Try one folder."""
    parser = argparse.ArgumentParser(description="Try a model's folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wide-threads", type=int, default=1)
    parser.add_argument("--run-timeout-s", type=float, required=True)
    parser.add_argument("--max-bytes", type=int, required=True)
    parser.add_argument("--max-cpu-s", type=int, required=True)
    options = parser.parse_args()
    import models.backends.onnx  # noqa: F401, PLC0415  # before the limit, which is for the model

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (options.max_cpu_s, options.max_cpu_s))  # the service may be killed
    with contextlib.suppress(ValueError):  # this process has a lower limit already
        resource.setrlimit(resource.RLIMIT_AS, (options.max_bytes, options.max_bytes))
    try:
        folder = read_folder(options.folder)
        load_warm(folder, Deadlines(options.run_timeout_s), options.wide_threads, trial_frames)
    except (ModelConfigError, MemoryError) as error:
        out_of_memory = isinstance(error, MemoryError) or NO_MEMORY in str(error)
        print(f"{options.folder}: the model takes more than {options.max_bytes} bytes." if out_of_memory else error)
        return REJECTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
