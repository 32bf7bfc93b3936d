"""The table of the backends, which load and run weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from models.backends.runnable import Runnable
from models.errors import ModelConfigError
from models.extras import how_to_install
from models.repository.config import PackageName, PackageWeights
from models.repository.folder import ModelFolder

KindOfWeights: TypeAlias = Literal["file"] | PackageName


@dataclass(frozen=True, slots=True)
class Backend:
    """What runs one kind of weights.

    `load`: loads a folder's weights, with a number of threads for each run; imports the backend's module when it is
    called, so that a backend may need an optional package. `extra`: of pyproject.toml, with that package.
    """

    load: Callable[[ModelFolder, int], Runnable]
    extra: str = ""


def load_weights(folder: ModelFolder, threads: int) -> Runnable:
    """Load the weights that model.yaml names, for runs with that many threads; raises ModelConfigError."""
    weights = folder.config.weights
    backend = BACKENDS[weights.package if isinstance(weights, PackageWeights) else "file"]
    try:
        return backend.load(folder, threads)
    except ModuleNotFoundError as error:
        raise ModelConfigError(
            f"{folder.weights_name}: its backend is not installed: {how_to_install(backend.extra)}."
        ) from error
    except ImportError as error:  # a shared library is missing
        raise ModelConfigError(f"{folder.weights_name}: its backend cannot be imported: {error}.") from error


def _load_onnx(folder: ModelFolder, threads: int) -> Runnable:
    from models.backends.conformed import conformed  # noqa: PLC0415  # only where a model needs it
    from models.backends.onnx import Session  # noqa: PLC0415  # the same

    execution = folder.config.execution
    return conformed(Session(folder.weights_path, threads, execution.providers, execution.device))


def _load_rapidocr(folder: ModelFolder, threads: int) -> Runnable:
    from models.backends.rapidocr import Reader  # noqa: PLC0415  # an extra

    if folder.config.execution.providers != ("cpu",):
        raise ModelConfigError(f"{folder.weights_name}: execution.providers: rapidocr runs on the CPU only.")
    return Reader(threads)


BACKENDS: dict[KindOfWeights, Backend] = {
    "file": Backend(_load_onnx),
    "rapidocr": Backend(_load_rapidocr, "ocr"),
}
"""`file`, or the package that model.yaml names → what runs its weights."""
