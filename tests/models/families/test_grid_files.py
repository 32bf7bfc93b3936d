"""Detectors with grids as files: from model.yaml and the weights to results."""

from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelConfigError
from models.frame import Frame
from models.repository.folder import read_folder
from models.results import Results, Selection
from models.runtime.loading import load_model
from tests.support.models.encoders import Seen
from tests.support.models.engines import engine_of
from tests.support.models.heads import HEADS
from tests.support.models.planted import write_planted, write_yolov3

PICTURE = Frame(np.zeros((240, 320, 3), np.uint8), "rgb", (320, 240))
"""At 0.4 it covers the canvas from 16 to 144; at the top left corner, from 0 to 128."""
GOLDEN = [("dog", 0.9, (0.125, 0.25, 0.5, 0.75)), ("person", 0.7, (0.0, 0.5, 0.25, 1.0))]
ON_CANVAS = [Seen((0, 48, 32, 120), 1, 0.7), Seen((16, 24, 64, 72), 2, 0.9), Seen((0, 0, 9, 9), 0, 0.4)]
"""The same, where 0 is the picture's left edge, and one below the threshold."""


def shifted(seen: list[Seen], right: float) -> list[Seen]:
    return [
        Seen(
            (box.box_xyxy[0] + right, box.box_xyxy[1], box.box_xyxy[2] + right, box.box_xyxy[3]),
            box.class_id,
            box.confidence,
        )
        for box in seen
    ]


def answer(folder: Path, selection: Selection | None = None) -> Results:
    model = load_model(read_folder(folder))
    feeds, letterbox = model.family.picture.preprocess(PICTURE)
    return model.family.postprocess(model.session.run(feeds), letterbox, selection or Selection())


def assert_golden(results: Results) -> None:
    assert results.dropped == 0
    for found, (label, confidence, box_xyxy) in zip(results.detections, GOLDEN, strict=True):
        assert found.label == label
        assert found.confidence == pytest.approx(confidence)
        assert found.box_xyxy == pytest.approx(box_xyxy, abs=1e-5)


@pytest.mark.parametrize("name", ["yolov5", "yolov8", "yolox", "end_to_end"])
def test_a_file_gives_its_golden_answer(tmp_path: Path, name: str) -> None:
    seen = shifted(ON_CANVAS, 0 if name == "yolox" else 16)
    assert_golden(answer(write_planted(tmp_path, name, HEADS[name].encode(seen))))


def test_yolov3s_graph_gives_its_golden_answer(tmp_path: Path) -> None:
    rival = Seen((17, 24, 64, 72), 2, 0.8)
    assert_golden(answer(write_yolov3(tmp_path, shifted([*ON_CANVAS, rival], 16))))


def test_yolov3s_graph_tells_nothing_under_its_own_threshold(tmp_path: Path) -> None:
    folder = write_yolov3(tmp_path, ON_CANVAS, score_threshold=0.8)
    assert len(answer(folder, Selection(confidence=0.01)).detections) == 1


def test_yolov3_is_read_alike_whether_its_graph_takes_the_letterbox_off_or_we_do(tmp_path: Path) -> None:
    model = load_model(read_folder(write_yolov3(tmp_path, shifted(ON_CANVAS, 16))))
    feeds, letterbox = model.family.picture.preprocess(PICTURE)
    ours = model.session.run(feeds)
    feeds["image_shape"] = np.array([[240, 320]], np.float32)
    graphs = model.session.run(feeds)
    np.testing.assert_array_equal(ours["yolonms_layer_1:2"], graphs["yolonms_layer_1:2"])
    ours_xyxy = letterbox.to_picture(ours["yolonms_layer_1"][0][:, [1, 0, 3, 2]])
    graphs_xyxy = graphs["yolonms_layer_1"][0][:, [1, 0, 3, 2]] / np.array([320, 240, 320, 240])
    np.testing.assert_allclose(ours_xyxy, graphs_xyxy, atol=1e-6)


@pytest.mark.parametrize("name", ["yolov5", "yolov8", "yolox", "end_to_end"])
def test_a_layout_that_the_file_leaves_free_is_found_at_the_warm_up(tmp_path: Path, name: str) -> None:
    write_planted(tmp_path, name, {"output0": np.zeros((1, 9, 9), np.float32)})
    engine = engine_of(tmp_path, "planted")
    with pytest.raises(ModelConfigError, match=r"failed on a warm-up frame: expected output output0 .* \[1, 9, 9\]"):
        engine.load()
    engine.close()
