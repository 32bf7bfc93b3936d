import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.backends.onnx import EXACT_INT8, INT8_PRODUCT, PROBE_SIDE, _chosen, saturates_int8
from tools.converters.int8_product import build

LARGEST = {"a": np.full((16, PROBE_SIDE), 255, np.uint8)}


def is_right(*, exact: bool) -> bool:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(EXACT_INT8, "1" if exact else "0")
    session = onnxruntime.InferenceSession(INT8_PRODUCT, options, providers=["CPUExecutionProvider"])
    [product] = session.run(None, LARGEST)
    return bool((product == 255 * 127 * PROBE_SIDE).all())


def test_the_slower_product_is_taken_where_it_is_needed_and_only_there() -> None:
    """tests/system/test_other_processors.py tests processors other than this one."""
    assert is_right(exact=saturates_int8())
    assert is_right(exact=False) != saturates_int8()


def test_the_probe_is_made_by_its_tool() -> None:
    assert build().SerializeToString() == INT8_PRODUCT.read_bytes()


def test_loading_a_model_reports_nothing_to_anybody(tmp_path: Path) -> None:
    """By default onnxruntime stores a machine id and unsent telemetry below the home directory."""
    silent_by_itself = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in silent_by_itself}
    load = f"from pathlib import Path; from models.backends.onnx import Session; Session(Path({str(INT8_PRODUCT)!r}))"
    subprocess.run([sys.executable, "-c", load], env={**environment, "HOME": str(tmp_path)}, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_openvino_takes_no_more_threads_than_the_runs_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["OpenVINOExecutionProvider"])
    [(_, options)] = _chosen(("openvino",), device=0, threads=3)
    assert options["num_of_threads"] == "3"
