"""Reading text with rapidocr, an optional package that contains the weights of PP-OCR. Only this module imports it.

This module loads rapidocr's three graphs and passes them to it, for three reasons: the graphs run like all others, on
the calling thread and no longer than the watchdog allows; rapidocr, which downloads what it lacks, downloads nothing;
and a missing file is found at load.
"""

from pathlib import Path

import cv2
import numpy as np
import rapidocr
from omegaconf import flag_override
from rapidocr.inference_engine.onnxruntime import ONNXRuntimeError

from models.backends.onnx import PipelineSession, pipeline_options
from models.errors import ModelConfigError
from models.families import Feeds, Outputs, Signature, Tensor
from models.families.config import MAX_SIDE
from models.scheduling.deadlines import Limit

WEIGHTS_FOLDER = Path(rapidocr.__file__).parent / "models"
WEIGHTS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
"""The graphs that find lines, detect whether a line is upside down, and read it: rapidocr's default."""

PARAMETERS = {
    "Global.log_level": "critical",  # it logs every frame without text
    "Global.use_preprocess_img": False,  # the frame is on its canvas already
    "Global.text_score": 0,  # the family has the threshold
    "Det.limit_type": "max",  # by default frames grow to 736 pixels on the short side: a strip, to gigabytes
    "Det.limit_side_len": MAX_SIDE,
    "Rec.rec_batch_num": 1,  # in a batch, each line costs as much as the longest
}
"""Where we change rapidocr's defaults."""

SIGNATURE = Signature(
    inputs={"pictures": Tensor("uint8", (1, "height", "width", 3))},
    outputs={
        "quads": Tensor("float32", ("lines", 4, 2)),
        "confidences": Tensor("float32", ("lines",)),
        "values": Tensor("str", ("lines",)),
    },
)


class Reader:
    """The loaded pipeline. `threads`: of each run. Raises ModelConfigError when a graph is missing.

    Thread-safe: rapidocr holds no per-frame state; at worst two threads build the same preprocessor twice.
    """

    signature = SIGNATURE

    def __init__(self, threads: int = 1) -> None:
        self._read = rapidocr.RapidOCR(params=PARAMETERS)
        with flag_override(self._read.cfg, "allow_objects", True):
            for part, name in WEIGHTS.items():
                self._read.cfg[part].session = _load(WEIGHTS_FOLDER / name, threads)

    def run(self, feeds: Feeds, watchdog: Limit | None = None) -> Outputs:
        """Read one picture on the calling thread; models/families/ppocr.py describes the feeds and outputs.

        Raises InferenceError when a graph or the code between the graphs fails, and InferenceTimeoutError when the
        watchdog stopped a graph.
        """
        [picture] = feeds["pictures"]
        with pipeline_options(watchdog, ONNXRuntimeError, cv2.error):
            lines = self._read(picture)
        return {
            "quads": np.asarray(() if lines.boxes is None else lines.boxes, np.float32).reshape(-1, 4, 2),
            "confidences": np.asarray(lines.scores or (), np.float32),
            "values": np.asarray(lines.txts or (), np.str_),
        }


def _load(path: Path, threads: int) -> PipelineSession:
    if not path.is_file():
        raise ModelConfigError(
            f"{path} is missing: expected the weights that the package rapidocr brings; install it anew."
        )
    return PipelineSession(path, threads)
