"""/v1/vision/alpr: the model that reads plates, and what of its readings is the plate."""

import json

import pytest

from handlers.decoding.decoder import Decoder
from handlers.deepstack.predictions import encode_plates
from models.order import FrameOrder
from models.repository.folder import BUILT_IN_ZOO, read_folder
from models.results import Chained, Detection, Results, TextLine
from models.runtime.steps import Work
from tests.support.server import LiveServer

PATHS = "/v1/vision/alpr", "/v1/image/alpr"
CAR = 0.25, 0.25, 0.75, 0.75


def line(value: str, top: float, height: float, confidence: float = 0.9) -> TextLine:
    return TextLine(value, Detection("text", 0, confidence, (0.3, top, 0.6, top + height)))


PLATES: dict[str, tuple[list[TextLine], tuple[str, float] | None]] = {
    "one line": ([line("AB 123", 0.3, 0.1)], ("AB123", 0.9)),
    "two lines": ([line("AB", 0.3, 0.1, 0.8), line("1-23", 0.5, 0.08)], ("AB123", 0.8)),
    "small print": ([line("TEXAS", 0.3, 0.02, 0.4), line("AB·123", 0.4, 0.1)], ("AB123", 0.9)),
    "other letters": ([line("京A 12345", 0.3, 0.1)], ("京A12345", 0.9)),
    "no letters": ([line("---", 0.3, 0.1)], None),
    "nothing read": ([], None),
}


@pytest.mark.parametrize(("lines", "expected"), PLATES.values(), ids=PLATES)
def test_the_plate_is_what_is_written_large(lines: list[TextLine], expected: tuple[str, float] | None) -> None:
    work = Work(FrameOrder(), read_folder(BUILT_IN_ZOO / "ssdlite-mobilenet-v2"), size_wh=(200, 100))
    car = Detection("plate", 0, 0.7, CAR, chained=(Chained("reader", Results(lines=tuple(lines))),))
    work.results = Results((car, Detection("plate", 0, 0.6, CAR)))
    work.stages_ms = {"queue": 9, "decode": 3, "run": 10, "then:reader": 20, "encode": 9}
    answer = json.loads(encode_plates(work, Decoder(1)))
    assert [(plate["plate"], plate["confidence"]) for plate in answer["predictions"]] == [expected] * bool(expected)
    assert (answer["count"], answer["inferenceMs"], answer["processMs"]) == (bool(expected), 30, 33)
    for plate in answer["predictions"]:
        assert plate["label"] == f"Plate: {plate['plate']}"
        assert [plate[edge] for edge in ("x_min", "y_min", "x_max", "y_max")] == [50, 25, 150, 75]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_model_that_reads_what_it_finds_there_are_no_plates(identity: LiveServer, path: str) -> None:
    answer = identity.client.post(path, files={"upload": b"x"})
    assert answer.status_code == 404
    assert answer.json() == {
        "success": False,
        "error": "No model served here gives its objects to one that reports text (docs/chains.md).",
        "code": 404,
    }
