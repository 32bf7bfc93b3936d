"""The table of backends, and how a run that takes too long is stopped."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import get_args

import pytest

from lab.graphs import write_identity_model
from models.backends import backend as backend_module
from models.backends.backend import BACKENDS, Backend, load_weights
from models.backends.runnable import Runnable
from models.backends.watchdog import watched
from models.errors import InferenceError, InferenceTimeoutError, ModelConfigError
from models.repository.config import PACKAGE_LABELS, PackageName
from models.repository.folder import ModelFolder, read_folder
from models.scheduling.deadlines import Deadlines
from tests.support.client import ROOT
from tests.support.models.pages import write_reader


def test_each_package_that_model_yaml_may_name_has_a_backend_and_labels() -> None:
    assert set(BACKENDS) == {"file", *get_args(PackageName)}
    assert set(PACKAGE_LABELS) == set(get_args(PackageName))


def test_a_package_brings_its_labels_and_no_file(tmp_path: Path) -> None:
    folder = read_folder(write_reader(tmp_path))
    assert folder.labels == PACKAGE_LABELS["rapidocr"]
    with pytest.raises(ModelConfigError, match=r"model\.yaml, package rapidocr: there is no file with weights"):
        _ = folder.weights_path


def test_rapidocr_runs_on_the_cpu_only(tmp_path: Path) -> None:
    config = write_reader(tmp_path) / "model.yaml"
    config.write_text(config.read_text() + "execution: {providers: [cuda]}\n")
    with pytest.raises(ModelConfigError, match=r"execution\.providers: rapidocr runs on the CPU only"):
        load_weights(read_folder(config.parent), 1)


def test_a_backend_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: ModelFolder, __: int) -> Runnable:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setitem(backend_module.BACKENDS, "file", Backend(load, "framehook"))
    with pytest.raises(ModelConfigError, match=r"model\.onnx: its backend cannot be imported: libGL\.so\.1"):
        load_weights(read_folder(write_identity_model(tmp_path)), 1)


@pytest.mark.parametrize("module", ["models.backends.batching", "models.runtime.loading"])
def test_onnxruntime_is_imported_when_a_model_needs_it(module: str) -> None:
    code = f"import sys, {module}; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60).returncode == 0


def test_an_error_after_a_stop_is_a_timeout() -> None:
    watchdog, stopped = Deadlines(0.01), threading.Event()

    def fail_once_stopped() -> None:
        assert stopped.wait(10)
        raise OSError

    with pytest.raises(InferenceTimeoutError), watched(watchdog, stopped.set, (OSError,)):
        fail_once_stopped()
    watchdog.close()


@pytest.mark.parametrize("limit_s", [None, 60])
def test_an_error_without_a_stop_fails_the_frame(limit_s: float | None) -> None:
    watchdog, stopped = Deadlines(limit_s) if limit_s else None, threading.Event()
    with pytest.raises(InferenceError, match="failed on this frame"), watched(watchdog, stopped.set, (OSError,)):
        raise OSError
    with pytest.raises(KeyError), watched(watchdog, stopped.set, (OSError,)):
        raise KeyError
    assert not stopped.is_set()
    if watchdog:
        watchdog.close()


def test_too_little_memory_is_not_a_failure_of_the_model() -> None:
    """onnxruntime reports it as an error of its own."""
    with pytest.raises(MemoryError), watched(None, lambda: None, (RuntimeError,)):
        raise RuntimeError("Non-zero status code returned while running Conv node. Status Message: std::bad_alloc")
