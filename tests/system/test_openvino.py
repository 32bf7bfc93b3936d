"""A model with `providers: [openvino]` runs on OpenVINO, in an environment with onnxruntime's build for it."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from lab.pictures import STREET
from models.repository.folder import BUILT_IN_ZOO
from tests.support.client import ROOT
from tests.support.process import serving, wait_until_ready
from tests.support.waiting import PATIENCE_S

PYTHON = ROOT / ".tools" / "openvino" / "bin" / "python"
MODEL = BUILT_IN_ZOO / "ssdlite-mobilenet-v2"
PROFILE = """
import json, sys
from pathlib import Path
import numpy as np
from models.backends import onnx

options = onnx._options

def profiled(threads):
    made = options(threads)
    made.enable_profiling, made.profile_file_prefix = True, sys.argv[2]
    return made

onnx.saturates_int8()
onnx._options = profiled
session = onnx.Session(Path(sys.argv[1]), providers=("openvino",))
[(name, tensor)] = session.signature.inputs.items()
session.run({name: np.zeros((1, *tensor.shape[1:]), tensor.dtype)})
print(session._session.end_profiling())
"""

pytestmark = pytest.mark.system


def test_the_detector_runs_on_openvino(tmp_path: Path) -> None:
    program: list[str | Path] = [PYTHON, "-c", PROFILE, MODEL / "model.onnx", tmp_path / "profile"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    events = json.loads(Path(done.stdout.splitlines()[-1]).read_text())
    nodes = [event["args"]["provider"] for event in events if event["name"].endswith("_kernel_time")]
    assert "OpenVINOExecutionProvider" in nodes
    assert "Conv" not in {event["args"].get("op_name") for event in events}  # OpenVINO's nodes have names of their own


def test_the_service_answers_with_openvino(tmp_path: Path) -> None:
    folder = tmp_path / "detector"
    shutil.copytree(MODEL, folder)
    with (folder / "model.yaml").open("a") as config:
        config.write("execution:\n  providers: [openvino]\n")
    options = ["--model-repository", str(tmp_path), "--default-model", "detector"]
    with serving(*options, wrapper=[str(PYTHON)], log=subprocess.DEVNULL) as (_, port):
        wait_until_ready(port)
        answer = httpx.post(f"http://127.0.0.1:{port}/inference", content=STREET.read_bytes(), timeout=PATIENCE_S)
    labels = [inference["entity"]["tag"]["value"] for inference in answer.json()["inferences"]]
    assert labels.count("person") >= 3
