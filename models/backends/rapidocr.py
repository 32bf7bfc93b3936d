"""Reading text with rapidocr, an optional package that brings the weights of PP-OCR along. Only here is it imported.

Its three graphs are loaded here and handed to it, for three reasons: so that they run like all others, on the thread
that calls and no longer than the watchdog allows; so that rapidocr, which fetches what it misses, finds nothing to
fetch; and so that what is missing is found at load.
"""

from pathlib import Path

import cv2
import numpy as np
import rapidocr
from omegaconf import flag_override
from rapidocr.inference_engine.onnxruntime import ONNXRuntimeError

from models.backends.onnx import PipelineSession, watched
from models.errors import ModelConfigError
from models.families import Feeds, Outputs, Signature, Tensor
from models.families.config import MAX_SIDE
from models.scheduling.deadlines import Deadlines

WEIGHTS_FOLDER = Path(rapidocr.__file__).parent / "models"
WEIGHTS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
"""What finds lines, what tells whether they stand on their head, and what reads them: rapidocr's default."""

PARAMETERS = {
    "Global.log_level": "critical",  # it logs every frame without text
    "Global.use_preprocess_img": False,  # the frame is on its canvas already
    "Global.text_score": 0,  # the family has the threshold
    "Det.limit_type": "max",  # by default a frame grows until its short side has 736 pixels: a strip, to gigabytes
    "Det.limit_side_len": MAX_SIDE,
    "Rec.rec_batch_num": 1,  # together, short lines would be as dear as the longest
}
"""Where rapidocr's defaults are not ours."""

SIGNATURE = Signature(
    inputs={"pictures": Tensor("uint8", (1, "height", "width", 3))},
    outputs={
        "quads": Tensor("float32", ("lines", 4, 2)),
        "confidences": Tensor("float32", ("lines",)),
        "values": Tensor("str", ("lines",)),
    },
)


class Reader:
    """The loaded pipeline. Thread-safe: rapidocr keeps nothing of a frame but one equal preprocessor for another."""

    signature = SIGNATURE

    def __init__(self, threads: int = 1) -> None:
        """Load the three graphs; raises ModelConfigError when one is missing. `threads`: of each run."""
        self._read = rapidocr.RapidOCR(params=PARAMETERS)
        with flag_override(self._read.cfg, "allow_objects", True):
            for part, name in WEIGHTS.items():
                self._read.cfg[part].session = _load(WEIGHTS_FOLDER / name, threads)

    def run(self, feeds: Feeds, watchdog: Deadlines | None = None) -> Outputs:
        """Read one picture on the calling thread, stopped by the watchdog like a session. See models/families/ppocr.py.

        Raises InferenceError when a graph or what lies between them fails, and InferenceTimeoutError when stopped.
        """
        [picture] = feeds["pictures"]
        with watched(watchdog, ONNXRuntimeError, cv2.error):
            found = self._read(picture)
        return {
            "quads": np.asarray(() if found.boxes is None else found.boxes, np.float32).reshape(-1, 4, 2),
            "confidences": np.asarray(found.scores or (), np.float32),
            "values": np.asarray(found.txts or (), np.str_),
        }


def _load(path: Path, threads: int) -> PipelineSession:
    if not path.is_file():
        raise ModelConfigError(
            f"{path} is missing: expected the weights of rapidocr; "
            "pip install --force-reinstall 'framehook[ocr]' brings them back."
        )
    return PipelineSession(path, threads)
