"""Each file of the table of layouts is read as its exporter documents it."""

import base64
import io
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.errors import InferenceError, ModelConfigError
from models.families import FAMILY_CONFIGS, Family, InputConfig, Signature, Tensor, tasks
from models.families.preprocessing import PictureInput
from models.frame import Frame
from models.letterbox import Letterbox, fit_letterbox
from models.repository.labels import reported
from models.results import Detection, Results, Selection
from tests.support.models.encoders import LABELS
from tests.support.models.layouts import (
    LAYOUTS,
    PERSON,
    SIDE_PX,
    Layout,
    centred,
    mask_factors,
    one_hot,
    post,
    prototypes,
    rows,
    shares,
    ultralytics,
)

CANVAS = Letterbox((SIDE_PX, SIDE_PX), (SIDE_PX, SIDE_PX))
every_layout = pytest.mark.parametrize("name", LAYOUTS)


def reported_ids(layout: Layout) -> frozenset[int]:
    """Return the class ids that the repository selects for a request: all but a background's."""
    return frozenset(reported(layout.labels).values())


def read(name: str, letterbox: Letterbox = CANVAS) -> Results:
    layout = LAYOUTS[name]
    return layout.family().postprocess(layout.encode(), letterbox, Selection(class_ids=reported_ids(layout)))


@every_layout
def test_the_objects_of_a_file_are_found(name: str) -> None:
    layout = LAYOUTS[name]
    results = read(name)
    assert [found.label for found in results.detections] == [
        LABELS[seen.class_id] if len(layout.objects) > 1 else "face" for seen in layout.objects
    ]
    for found, seen in zip(results.detections, layout.objects, strict=True):
        assert found.confidence == pytest.approx(seen.confidence, abs=2e-3)
        assert found.box_xyxy == pytest.approx(shares(seen.box_xyxy), abs=2e-3)
    assert results.dropped == 0
    assert results.highest <= 1


@every_layout
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38, -3e38, 89.0])
def test_a_file_of_rubbish_is_survived(name: str, value: float) -> None:
    layout = LAYOUTS[name]
    outputs = layout.encode()
    for output in outputs.values():
        if output.dtype == np.float32:
            output[:] = value
    results = layout.family().postprocess(outputs, CANVAS, Selection(confidence=0.01))
    assert all(0 <= found.confidence <= 1 for found in results.detections)
    if math.isnan(value):
        assert results.detections == ()
        assert results.dropped > 0


GRIDS = [name for name in LAYOUTS if name in {"PicoDet", "YOLOv4 (ONNX model zoo, Live Video Analytics)"}]


@pytest.mark.parametrize("name", GRIDS)
def test_grids_are_told_apart_in_any_order_by_what_the_file_gives(name: str) -> None:
    layout = replace(LAYOUTS[name], encode=lambda: dict(reversed(LAYOUTS[name].encode().items())))
    results = family_with_free_axes(layout).postprocess(layout.encode(), CANVAS, Selection())
    assert results == read(name)


def family_with_free_axes(layout: Layout) -> Family:
    """Return the family of a file whose outputs' axes are free, but for the last one."""
    outputs = {
        name: Tensor(value.dtype.name, (*[None] * (value.ndim - 1), value.shape[-1]))
        for name, value in layout.encode().items()
    }
    return layout.family(outputs)


@pytest.mark.parametrize(
    "name", [name for name in LAYOUTS if re.fullmatch(r"Ultralytics (detect|segment|pose|obb)", name)]
)
def test_rows_and_columns_are_told_apart_by_what_the_file_gives(name: str) -> None:
    table = "output0"
    outputs = LAYOUTS[name].encode()
    outputs[table] = outputs[table].transpose(0, 2, 1)
    free = {each: Tensor("float32", (None,) * value.ndim) for each, value in outputs.items()}
    if "output1" in free:
        free["output1"] = Tensor("float32", (None, 32, None, None))
    results = LAYOUTS[name].family(free).postprocess(outputs, CANVAS, Selection())
    assert results == read(name)
    assert results.detections


@pytest.mark.parametrize("name", ["Ultralytics pose", "Ultralytics pose, NMS"])
def test_values_that_are_no_key_points_are_refused(name: str) -> None:
    layout = LAYOUTS[name]
    free = layout.family({"output0": Tensor("float32", (None, None, None))})
    outputs = {"output0": np.zeros((1, 8 if "NMS" not in name else 300, 300 if "NMS" not in name else 7), np.float32)}
    with pytest.raises(InferenceError) as caught:
        free.postprocess(outputs, CANVAS, Selection())
    assert "key points" in str(caught.value.__cause__)


@pytest.mark.parametrize("name", ["PicoDet", "YuNet"])
def test_a_file_made_for_another_canvas_is_refused(name: str) -> None:
    layout = LAYOUTS[name]
    outputs = {name: np.repeat(value, 2, axis=1) for name, value in layout.encode().items()}
    with pytest.raises(InferenceError):
        family_with_free_axes(layout).postprocess(outputs, CANVAS, Selection(confidence=0))


@pytest.mark.parametrize("name", ["SSD with a background class", "DETR with a pixel mask", "PicoDet"])
def test_more_scores_than_boxes_are_refused_though_nothing_is_found(name: str) -> None:
    layout = LAYOUTS[name]
    outputs = {key: value * 0 - 20 for key, value in layout.encode().items()}
    boxes = next(key for key in outputs if "box" in key)
    outputs[boxes] = outputs[boxes][:, :-1]
    with pytest.raises(InferenceError):
        family_with_free_axes(layout).postprocess(outputs, CANVAS, Selection())


@every_layout
def test_one_broken_object_costs_no_other(name: str) -> None:
    layout = LAYOUTS[name]
    outputs = layout.encode()
    box_of_the_first = next(output for output in outputs.values() if output.dtype == np.float32 and output.size > 1)
    place = np.unravel_index(np.argmax(np.abs(box_of_the_first) > 0), box_of_the_first.shape)
    box_of_the_first[place] = math.nan
    results = layout.family().postprocess(outputs, CANVAS, Selection(class_ids=reported_ids(layout)))
    assert len(results.detections) >= len(layout.objects) - 1


@every_layout
def test_every_picture_is_fed(name: str) -> None:
    frame = Frame(np.full((90, 160, 3), 200, np.uint8), "rgb", (160, 90))
    feeds, letterbox = LAYOUTS[name].family().picture.preprocess(frame)
    assert feeds.keys() == {"images", *LAYOUTS[name].inputs}
    assert letterbox.canvas_wh == (SIDE_PX, SIDE_PX)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if " pose" in name or name == "YuNet"])
def test_key_points_are_shares_of_the_picture(name: str) -> None:
    letterbox = fit_letterbox((640, 320), (SIDE_PX, SIDE_PX), "letterbox")
    person = next(found for found in read(name, letterbox).detections if found.label in {"person", "face"})
    [(key, points)] = person.extensions
    x, y, _, height = centred(PERSON)
    x, y, top = x / SIDE_PX, (y - 80) / 160, (y - height / 2 - 80) / 160  # 640 x 320 lies between rows 80 and 240
    expected = [[x, y]] * 5 if name == "YuNet" else [[x, top, 0.5], *[[x, y, 0.25]] * 16]
    assert key == "keypoints"
    assert [*points] == [pytest.approx(point, abs=1e-5) for point in expected]


@pytest.mark.parametrize("name", [name for name in LAYOUTS if "segment" in name])
def test_a_mask_is_stretched_over_its_box(name: str) -> None:
    masks = {found.label: mask_of(found) for found in read(name).detections}
    assert masks["car"].all()  # it lies in the left half
    assert not masks["person"].any()
    car = next(found for found in read(name).detections if found.label == "car")
    width, height = (car.box_xyxy[2] - car.box_xyxy[0]) * SIDE_PX, (car.box_xyxy[3] - car.box_xyxy[1]) * SIDE_PX
    assert masks["car"].shape == (round(height / 4), round(width / 4))


def mask_of(found: Detection) -> np.ndarray:
    [(key, url)] = found.extensions
    assert key == "mask"
    assert isinstance(url, str)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,")))))


def test_a_mask_on_the_edge_of_the_halves_is_half() -> None:
    layout = Layout(
        {"name": "yolov8", "task": "segment"},
        lambda: {
            "output0": rows(lambda seen: [160, 160, 80, 40, *one_hot(seen), *mask_factors(seen)]).T[None].copy(),
            "output1": prototypes(),
        },
    )
    found = layout.family().postprocess(layout.encode(), CANVAS, Selection()).detections[0]
    np.testing.assert_array_equal(mask_of(found), np.tile(np.arange(20) < 10, (10, 1)))


def test_all_masks_of_a_frame_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A car's mask has 12 x 20 pixels, a person's 40 x 10."""
    monkeypatch.setattr(tasks, "MAX_MASK_PIXELS", 12 * 20 + 40 * 10 - 1)
    found = read("Ultralytics segment").detections
    assert [bool(each.extensions) for each in found] == [True, False, False]


def test_the_corners_of_a_turned_box() -> None:
    """A square with a diagonal of 40 pixels, on its tip."""
    layout = Layout(
        {"name": "yolov8", "task": "obb"},
        lambda: {
            "output0": rows(lambda seen: [160, 80, 800**0.5, 800**0.5, *one_hot(seen), math.pi / 4]).T[None].copy()
        },
    )
    found = layout.family().postprocess(layout.encode(), CANVAS, Selection()).detections[0]
    [(key, corners)] = found.extensions
    assert key == "corners"
    assert [*corners] == [
        pytest.approx(shares(corner), abs=1e-5) for corner in ((160, 60), (180, 80), (160, 100), (140, 80))
    ]
    assert found.box_xyxy == pytest.approx(shares((140, 60, 180, 100)), abs=1e-5)


@pytest.mark.parametrize("name", ["Ultralytics pose", "Ultralytics segment"])
def test_what_is_no_number_is_left_out_of_the_extensions(name: str) -> None:
    layout = LAYOUTS[name]
    outputs = layout.encode()
    outputs["output0"][0, -1, 0] = math.nan
    found = layout.family().postprocess(outputs, CANVAS, Selection()).detections
    assert [bool(detection.extensions) for detection in found] == [False, True, True]


@pytest.mark.parametrize(
    ("section", "outputs", "message"),
    [
        (post("tensorflow"), {"boxes": (1, 9, 4)}, r"expected output detection_boxes with a last axis of 4: top, left"),
        (post("yolo_nas"), {"a": (1, 9, 4), "b": (1, 9, 80)}, "expected output b with a last axis of 3: scores"),
        (post("yolov7"), {}, "expected output 0 with a last axis of 7"),
        ({"name": "yolov8", "task": "segment"}, {"a": (1, 39, 9)}, r"output a to be float32 \[any, 32, any, any\]"),
        ({"name": "yolov8", "task": "pose"}, {"a": (1, 12, 9000)}, "key points of 3 or 2 values each, got 5 values"),
        ({"name": "end_to_end", "task": "pose"}, {"a": (1, 300, 6)}, "key points of 3 or 2 values each, got 0 values"),
        ({"name": "nanodet"}, {"a": (1, 9, 35)}, r"\[any, 2125, 35\], got float32 \[1, 9, 35\]"),
        ({"name": "nanodet"}, {"a": (1, 9, 3), "b": (1, 9, 32)}, r"expected 4 outputs float32 \[any, any, 3\]"),
        ({"name": "darknet", "preset": "yolov4"}, {"a": (1, 13, 13, 3, 8)}, r"one output for each of 3 grid\(s\)"),
        ({"name": "darknet", "preset": "tiny_yolov2"}, {"a": (1, 425, 13, 13)}, r"\[any, 40, any, any\] or .*425"),
        ({"name": "centernet"}, {"a": (1, 3, 80, 80), "b": (1, 2, 80, 80)}, "a heat map, sizes and offsets, got a, b"),
        ({"name": "yunet"}, {}, "expected one label, what a face is called, got 3"),
        ({"name": "embedding"}, {"a": (1, 3, 8, 8)}, r"expected output a to be float32 \[any, any\] or"),
    ],
)  # fmt: skip
def test_another_layout_is_found_at_load(
    section: Mapping[str, Any], outputs: Mapping[str, tuple[int, ...]], message: str
) -> None:
    layout = Layout(section, lambda: {name: np.zeros(shape, np.float32) for name, shape in outputs.items()})
    with pytest.raises(ModelConfigError, match=message):
        layout.family()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"outputs": {0: ["left", "top", "right", "score", "class"]}}, "a box needs the columns left, top,"),
        ({"outputs": {0: ["left", "top", "right", "bottom", "score"]}}, "the columns score and class, or"),
        ({"outputs": {0: ["left", "left", "right", "bottom", "score"]}}, "left stands there twice"),
        ({"preset": "yolov99"}, "Input should be 'tensorflow'"),
        ({}, "outputs"),
    ],
)  # fmt: skip
def test_outputs_that_make_no_detection_are_refused(section: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FAMILY_CONFIGS["postprocessed"].model_validate({"name": "postprocessed", **section})


def test_a_picture_of_another_batch_is_refused_with_the_remedy() -> None:
    layout = Layout(
        {"name": "yolov8"}, lambda: {"output0": ultralytics()}, picture=Tensor("float32", (16, 3, 320, 320))
    )
    with pytest.raises(ModelConfigError, match=r"takes 16 pictures at once, .*: export the model with a batch of 1"):
        layout.family()


def test_an_embedding_has_length_one() -> None:
    layout = Layout({"name": "embedding"}, lambda: {"out": np.array([[3, 0, 4]], np.float32)}, labels=())
    [embedding] = layout.family().postprocess(layout.encode(), CANVAS, Selection()).embeddings
    np.testing.assert_allclose(np.frombuffer(embedding.content, "<f4"), [0.6, 0, 0.8], rtol=1e-6)


@pytest.mark.parametrize("value", [0, math.nan, math.inf])
def test_an_embedding_that_is_none_is_dropped_and_counted(value: float) -> None:
    layout = Layout({"name": "embedding"}, lambda: {"out": np.full((1, 3, 1, 1), value, np.float32)}, labels=())
    assert layout.family().postprocess(layout.encode(), CANVAS, Selection()) == Results(dropped=1)


def test_an_embedding_as_it_is() -> None:
    layout = Layout(
        {"name": "embedding", "normalise": False}, lambda: {"out": np.array([[3, 0, 4]], np.float32)}, labels=()
    )
    [embedding] = layout.family().postprocess(layout.encode(), CANVAS, Selection()).embeddings
    assert np.frombuffer(embedding.content, "<f4").tolist() == [3, 0, 4]


def test_grey_pictures_have_one_channel() -> None:
    config = InputConfig(size_wh=(4, 2), colour_order="grey", mean=(10,), std=(2,))
    picture = PictureInput(config, Signature({"a": Tensor("float32", (1, 1, 2, 4))}, {}))
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[..., 1] = 100  # green has a share of 0.587
    feeds, _ = picture.preprocess(Frame(pixels, "rgb", (4, 2)))
    np.testing.assert_array_equal(feeds["a"], np.full((1, 1, 2, 4), (59 - 10) / 2, np.float32))


@pytest.mark.parametrize("values", [(1.0, 2.0, 3.0), (1.0, 2.0)])
def test_as_many_values_as_channels(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="mean: expected one value, or 1, one for each channel"):
        InputConfig(size_wh=(4, 4), colour_order="grey", mean=values)
