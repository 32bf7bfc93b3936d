"""ONNX graphs, loaded and run with onnxruntime. Only this module imports it."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # read on import; otherwise it reports each loaded model to its makers
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort

from models.backends.watchdog import watched
from models.errors import ModelConfigError
from models.families import Feeds, Outputs, Signature, Tensor
from models.repository.config import ProviderName
from models.scheduling.deadlines import Limit

RUNTIME_ERRORS = (
    ort.EPFail, ort.EngineError, ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf,
    ort.ModelLoaded, ort.ModelRequiresCompilation, ort.NoModel, ort.NoSuchFile, ort.NotFound, ort.NotImplemented,
    ort.RuntimeException, RuntimeError, ValueError,
)  # fmt: skip
"""What onnxruntime raises; its own classes have no common base but Exception."""

EXACT_INT8 = "session.x64quantprecision"
"""Without this, x86 processors that lack VNNI add int8 products in saturating 16 bits: the default model then finds
nothing on the street photo. With it, processors that have VNNI take more than twice as long. See ADR 3."""
INT8_PRODUCT = Path(__file__).parent / "int8_product.onnx"
"""Multiplies a matrix of unsigned activations by constant signed weights: tools/converters/int8_product.py."""
PROBE_SIDE = 64
"""Side of both matrices: wide enough for the widest instructions."""

PROVIDERS: dict[ProviderName, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""The name in model.yaml → onnxruntime's name."""
WITH_DEVICES: frozenset[ProviderName] = frozenset({"cuda", "tensorrt", "directml"})
"""Providers that run on numbered devices."""

SHRINKAGE = "memory.enable_memory_arena_shrinkage"
"""With it a run gives back at its end what no run needs at that moment. It makes the next run 5 % more expensive."""
SHRINK_EVERY_S = 10.0

NUMPY_NAMES = {"float": "float32", "double": "float64"}
"""onnxruntime's name of an element type → numpy's, where they differ."""


class Session:
    """A loaded ONNX graph. Thread-safe: all lanes run the same session, each run on its caller's thread.

    `threads`: of each run, by default one, since the lanes are the parallelism. More threads spin between two nodes,
    but stop when the run ends, because they would take the processor from the lanes (measured: nearly twice the CPU
    time a frame). `providers`: each node runs on the first of these that supports it, else on the CPU. `device`: the
    number of the accelerator. Raises ModelConfigError when onnxruntime cannot load the file or lacks a provider.

    onnxruntime keeps the memory of the largest frame; now and then a run gives it back.
    """

    def __init__(
        self, path: Path, threads: int = 1, providers: Sequence[ProviderName] = ("cpu",), device: int = 0
    ) -> None:
        with _loading(path):
            options = _options(threads)
            if saturates_int8():
                options.add_session_config_entry(EXACT_INT8, "1")
            self._session = onnxruntime.InferenceSession(path, options, providers=_chosen(providers, device, threads))
        _refuse_missing_providers(self._session, providers)
        self._shrink_at_s = time.monotonic() + SHRINK_EVERY_S if tuple(providers) == ("cpu",) else math.inf
        self._output_names = [output.name for output in self._session.get_outputs()]

    @property
    def signature(self) -> Signature:
        """Return the names and types of the inputs and outputs."""
        return Signature(
            inputs={node.name: _tensor(node) for node in self._session.get_inputs()},
            outputs={node.name: _tensor(node) for node in self._session.get_outputs()},
        )

    @property
    def metadata(self) -> dict[str, str]:
        """Return what the exporter wrote into the file about it."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, feeds: Feeds, watchdog: Limit | None = None) -> Outputs:
        """Run the graph once on the calling thread; the watchdog stops it if it takes too long.

        onnxruntime stops between two nodes, and between two rounds of a loop. Raises InferenceError when the graph
        fails, and InferenceTimeoutError when it was stopped.
        """
        options = onnxruntime.RunOptions()
        now_s = time.monotonic()
        if now_s >= self._shrink_at_s:
            self._shrink_at_s = now_s + SHRINK_EVERY_S
            options.add_run_config_entry(SHRINKAGE, "cpu:0")
        with watched(watchdog, partial(setattr, options, "terminate", True), RUNTIME_ERRORS):
            outputs = self._session.run(self._output_names, feeds, options)
        return dict(zip(self._output_names, outputs, strict=True))


class PipelineSession(onnxruntime.InferenceSession):  # type: ignore[misc]  # onnxruntime has no types
    """One of several graphs that a library runs in turn for one frame; runs use `pipeline_options`. Thread-safe.

    `threads`: see Session. Raises ModelConfigError when onnxruntime cannot load the file.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        with _loading(path):
            options = _options(threads)
            options.enable_cpu_mem_arena = False  # it would keep the memory of the largest frame ever seen
            super().__init__(path, options, providers=["CPUExecutionProvider"])

    def run(self, output_names: Any, input_feed: Any, run_options: Any = None) -> Any:
        """Run the graph with the options of the calling thread's `pipeline_options`."""
        return super().run(output_names, input_feed, run_options or _run_options.get())


_run_options: ContextVar[onnxruntime.RunOptions | None] = ContextVar("run_options", default=None)
"""RunOptions of the pipeline that runs on this thread, for libraries that do not pass options through."""


@contextmanager
def pipeline_options(watchdog: Limit | None, *library_errors: type[Exception]) -> Iterator[None]:
    """Let the watchdog stop all PipelineSessions that run in the block, together, when the block takes too long.

    `library_errors`: what the library that runs them raises. Raises InferenceError and InferenceTimeoutError.
    """
    options = onnxruntime.RunOptions()
    token = _run_options.set(options)
    try:
        with watched(watchdog, partial(setattr, options, "terminate", True), (*RUNTIME_ERRORS, *library_errors)):
            yield
    finally:
        _run_options.reset(token)


@contextmanager
def _loading(path: Path) -> Iterator[None]:
    try:
        yield
    except RUNTIME_ERRORS as error:
        raise ModelConfigError(
            f"{path} is not a model that onnxruntime {onnxruntime.__version__} can load: {error}"
        ) from error


@cache
def saturates_int8() -> bool:
    """Return whether onnxruntime gets sums of int8 products wrong on this processor unless EXACT_INT8 is set."""
    session = onnxruntime.InferenceSession(INT8_PRODUCT, _options(threads=1), providers=["CPUExecutionProvider"])
    [product] = session.run(None, {"a": np.full((PROBE_SIDE, PROBE_SIDE), 255, np.uint8)})
    return bool((product != 255 * 127 * PROBE_SIDE).any())


def _chosen(providers: Sequence[ProviderName], device: int, threads: int) -> list[tuple[str, dict[str, str]]]:
    """Return the providers in onnxruntime's format; raises ModelConfigError if this onnxruntime lacks one of them.

    OpenVINO has threads of its own, by default as many as there are cores.
    """
    offered = onnxruntime.get_available_providers()
    for name in providers:
        if PROVIDERS[name] not in offered:
            available = [name for name, theirs in PROVIDERS.items() if theirs in offered]
            raise ModelConfigError(
                f"execution.providers: this onnxruntime {onnxruntime.__version__} does not offer {name}, only "
                f"{', '.join(available)}; install its build for {name}."
            )
    options: dict[ProviderName, dict[str, str]] = {name: {"device_id": str(device)} for name in WITH_DEVICES}
    options["openvino"] = {"num_of_threads": str(threads)}
    return [(PROVIDERS[name], options.get(name, {})) for name in providers]


def _refuse_missing_providers(session: onnxruntime.InferenceSession, providers: Sequence[ProviderName]) -> None:
    """Raise ModelConfigError when onnxruntime dropped a provider because its libraries or devices are missing."""
    used = session.get_providers()
    missing = [name for name in providers if PROVIDERS[name] not in used]
    if missing:
        raise ModelConfigError(
            f"execution.providers: {', '.join(missing)} could not be started; are its libraries and devices there?"
        )


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    spinning = "1" if threads > 1 else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    options.add_session_config_entry("session.force_spinning_stop", spinning)
    return options


def _tensor(node: onnxruntime.NodeArg) -> Tensor:
    dtype = node.type
    if dtype.startswith("tensor("):  # else a sequence of maps
        dtype = dtype.removeprefix("tensor(").removesuffix(")")
    return Tensor(NUMPY_NAMES.get(dtype, dtype), tuple(node.shape))
