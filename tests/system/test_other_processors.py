"""The default model answers correctly on other processors, emulated by QEMU."""

import json
import subprocess
import sys
from typing import Any

import pytest

from lab.pictures import PHOTOS, STREET
from tests.support.models.matching import assert_matches
from tests.support.process import FRAMEHOOK

pytestmark = pytest.mark.system

INFER = ("infer", str(STREET), "--format", "json")


@pytest.mark.parametrize("processor", ["Haswell", "Nehalem"], ids=["avx2", "sse"])
def test_int8_does_not_saturate(processor: str) -> None:
    """None of these has VNNI, so onnxruntime's int8 products saturate on them unless its exact mode is on."""
    command = ["qemu-x86_64", "-cpu", processor, sys.executable, str(FRAMEHOOK), *INFER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    golden = json.loads((PHOTOS / "golden.json").read_text())
    assert_matches({"inferences": answer["inferences"]}, golden["ssdlite-mobilenet-v2"][STREET.name])
