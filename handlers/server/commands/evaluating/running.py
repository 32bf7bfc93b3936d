"""What models find in labelled pictures."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from handlers.dataplane import DataPlane
from handlers.errors import EdgeError
from handlers.server.commands.evaluating.labelled import LabelledSet
from handlers.server.commands.inferring.answers import answer_in_order
from handlers.server.commands.inferring.sources import Source, read_shots
from handlers.server.settings import Settings
from models.letterbox import Size
from models.order import FrameOrder
from models.results import Detection

LOWEST_CONFIDENCE = 0.001
"""Low enough for the whole curve of precision over recall."""
MAX_DETECTIONS = 100
"""Of a picture, as COCO has it."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What one model found. `found`: path of each picture that could be read → detections, most confident first.

    `sizes_wh`: path → width and height in pixels. `unread`: path of each of the others → the reason.
    """

    found: dict[Path, tuple[Detection, ...]] = field(default_factory=dict)
    sizes_wh: dict[Path, Size] = field(default_factory=dict)
    unread: dict[Path, str] = field(default_factory=dict)


def run_model(
    dataplane: DataPlane, settings: Settings, labelled: LabelledSet, name: str, labels: Sequence[str]
) -> Findings:
    """Run a model on all pictures, looking for these labels; show a progress bar on a terminal.

    Raises ModelsError if the model fails. Holds one picture per lane in memory, and one more.
    """
    order = FrameOrder(model=name, confidence=LOWEST_CONFIDENCE, labels=labels, max_detections=MAX_DETECTIONS)
    sources = [Source(picture.path) for picture in labelled.pictures]
    outcomes = answer_in_order(dataplane, order, read_shots(sources, settings, None))
    findings = Findings()
    for outcome in tqdm(outcomes, name, len(sources), leave=False, file=sys.stderr, unit="picture", disable=None):
        path = outcome.shot.source.path
        try:
            answered = outcome.answered.result()
        except (OSError, EdgeError) as error:
            findings.unread[path] = getattr(error, "strerror", None) or str(error)
        else:
            findings.found[path] = answered.results.detections
            findings.sizes_wh[path] = answered.size_wh
    return findings
