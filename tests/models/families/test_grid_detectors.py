"""Detectors with grids: what each family makes of heads that are written as its exporters document them."""

import math
import time

import numpy as np
import pytest

from models.errors import InferenceError, ModelConfigError
from models.families import FAMILIES, Tensor
from models.frame import Frame
from models.letterbox import Letterbox, ResizeMode
from models.results import MAX_DETECTIONS, Results, Selection
from tests.support.drawn import DRAWN, frame_with_box
from tests.support.heads import CANVAS_WH, HEADS, LABELS, Seen, family_of, spec_of

PLACED = Letterbox(CANVAS_WH, CANVAS_WH)
CAR, PERSON = Seen((16, 24, 80, 72), 0, 0.9), Seen((100, 10, 140, 90), 1, 0.6)
MODES: tuple[ResizeMode, ...] = ("stretch", "letterbox", "letterbox_top_left", "centre_crop", "within")
every_family = pytest.mark.parametrize("name", HEADS)


def read(name: str, seen: list[Seen], selection: Selection | None = None) -> Results:
    return family_of(name).postprocess(HEADS[name](seen), PLACED, selection or Selection())


@every_family
def test_objects_are_told_by_falling_confidence(name: str) -> None:
    results = read(name, [PERSON, CAR])
    assert [(found.label, found.class_id) for found in results.detections] == [("car", 0), ("person", 1)]
    assert [found.confidence for found in results.detections] == pytest.approx([0.9, 0.6])
    assert results.detections[0].box_xyxy == pytest.approx((0.1, 0.25, 0.5, 0.75), abs=1e-6)
    assert results.detections[1].box_xyxy == pytest.approx((100 / 160, 10 / 96, 140 / 160, 90 / 96), abs=1e-6)
    assert results.dropped == 0


@every_family
def test_nothing_seen_is_nothing_told(name: str) -> None:
    assert read(name, []) == Results()


@every_family
def test_the_model_configures_and_the_selection_overrides(name: str) -> None:
    assert len(read(name, [CAR, Seen(PERSON.box_xyxy, 1, 0.4)]).detections) == 1
    assert len(read(name, [CAR, Seen(PERSON.box_xyxy, 1, 0.4)], Selection(confidence=0.3)).detections) == 2
    assert not read(name, [CAR, PERSON], Selection(confidence=0.95)).detections
    assert [found.label for found in read(name, [CAR, PERSON], Selection(class_ids=frozenset([1]))).detections] == [
        "person"
    ]
    assert [found.label for found in read(name, [PERSON, CAR], Selection(max_detections=1)).detections] == ["car"]


@every_family
def test_what_overlaps_is_suppressed_unless_the_model_itself_sees_to_that(name: str) -> None:
    twice = [CAR, Seen((17, 24, 80, 72), 0, 0.8), Seen((17, 24, 80, 72), 2, 0.8)]
    sees_to_that = name in {"yolov3", "end_to_end"}
    assert len(read(name, twice).detections) == (3 if sees_to_that else 2)
    configured = family_of(name, output={"iou_threshold": None if not sees_to_that else 0.5})
    results = configured.postprocess(HEADS[name](twice), PLACED, Selection())
    assert len(results.detections) == (2 if sees_to_that else 3)


@every_family
def test_boxes_are_clipped_and_empty_ones_dropped(name: str) -> None:
    found = read(name, [Seen((-50, -9, 80, 300)), Seen((200, 0, 300, 50))]).detections
    assert [detection.box_xyxy for detection in found] == [pytest.approx((0, 0, 0.5, 1))]


BROKEN_PLACES = {
    "yolov3": [("boxes", (0, 0, 2), 3), ("scores", (0, 0, 0), 1)],
    "yolov5": [("output0", (0, 0, 1), 3), ("output0", (0, 0, 4), 3), ("output0", (0, 0, 5), 1)],
    "yolov8": [("output0", (0, 1, 0), 3), ("output0", (0, 4, 0), 1)],
    "yolox": [("output0", (0, 0, 3), 3), ("output0", (0, 0, 4), 3), ("output0", (0, 0, 5), 1)],
    "end_to_end": [("output0", (0, 0, 0), 1), ("output0", (0, 0, 4), 1), ("output0", (0, 0, 5), 1)],
}
"""Family → an output, a place in it, and how many candidates, of one object of three classes, that place spoils."""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("name", "output", "place", "dropped"),
    [(name, *broken) for name, places in BROKEN_PLACES.items() for broken in places],
)
def test_values_that_are_no_numbers_are_dropped_and_counted(
    name: str, output: str, place: tuple[int, ...], dropped: int, value: float
) -> None:
    outputs = HEADS[name]([CAR, PERSON])
    outputs[output][place] = value
    results = family_of(name).postprocess(outputs, PLACED, Selection(confidence=0.01))
    assert [found.label for found in results.detections] == ["person"]
    assert results.dropped == dropped
    at_the_bottom = family_of(name).postprocess(outputs, PLACED, Selection(confidence=0))
    assert (at_the_bottom.detections[0].label, at_the_bottom.dropped) == ("person", dropped)


@every_family
@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38, -3e38, 89.0])
def test_a_head_of_rubbish_is_survived(name: str, value: float) -> None:
    outputs = HEADS[name]([CAR, PERSON])
    for output in outputs.values():
        if output.dtype == np.float32:
            output[:] = value
    for found in family_of(name).postprocess(outputs, PLACED, Selection(confidence=0)).detections:
        assert found.confidence == 1


@every_family
def test_more_objects_than_may_be_told_are_capped(name: str) -> None:
    several = [Seen((index * 5, 2, index * 5 + 4, 90), 0, 0.5 + index / 100) for index in range(30)]
    found = read(name, several, Selection(max_detections=7)).detections
    assert [detection.confidence for detection in found] == pytest.approx([0.79 - index / 100 for index in range(7)])


@pytest.mark.parametrize("name", ["yolov3", "yolov5", "yolov8", "end_to_end"])
def test_a_million_candidates_cost_little(name: str) -> None:
    outputs = HEADS[name]([Seen((0, 0, 9, 9), 0, 0.01)] * 400_000)
    if name == "yolov3":
        outputs["indices"] = outputs["indices"][:100]
    family = family_of(name)
    started_at = time.process_time()
    assert not family.postprocess(outputs, PLACED, Selection()).detections
    assert time.process_time() - started_at < 0.3


@pytest.mark.parametrize("name", ["yolov3", "yolov5", "yolov8", "end_to_end"])
def test_a_million_sure_candidates_are_capped(name: str) -> None:
    outputs = HEADS[name]([Seen((0, 0, 9, 9))] * 400_000)
    results = family_of(name, output={"iou_threshold": None}).postprocess(
        outputs, PLACED, Selection(max_detections=MAX_DETECTIONS)
    )
    assert len(results.detections) == MAX_DETECTIONS


@every_family
def test_every_place_of_a_head_tells_its_own_box(name: str) -> None:
    """With as many objects as YOLOX has cells of 32 pixels, over all rows and columns of its grids."""
    several = [Seen((index * 3, index, index * 3 + 2, 90), 0, 0.95 - index / 100) for index in range(45)]
    found = read(name, several).detections
    expected = np.array([seen.box_xyxy for seen in several]) / (CANVAS_WH * 2)
    np.testing.assert_allclose([detection.box_xyxy for detection in found], expected, atol=1e-5)


def floats(*shape: int | str) -> Tensor:
    return Tensor("float32", shape)


BOXES, SCORES, INDICES = floats("N", "boxes", 4), floats("N", 3, "boxes"), Tensor("int32", ("selected", 3))


@pytest.mark.parametrize(
    ("name", "outputs", "message"),
    [
        ("yolov5", {"a": floats(1, 9, 8), "b": floats(1, 9, 8)}, "expected one output, got a, b"),
        ("yolov5", {"a": floats(1, 9, 85)}, r"a to be float32 \[any, any, 8\], got float32 \[1, 9, 85\]"),
        ("yolov5", {"a": floats(1, 8, 9)}, r"\[any, any, 8\], got float32 \[1, 8, 9\]"),
        ("yolov5", {"a": Tensor("float16", (1, 9, 8))}, "got float16"),
        ("yolov8", {"a": floats(1, 84, 8400)}, r"a to be float32 \[any, 7, any\], got float32 \[1, 84, 8400\]"),
        ("yolov8", {"a": floats(1, 8400, 7)}, r"\[any, 7, any\], got float32 \[1, 8400, 7\]"),
        ("yolov8", {"a": floats(1, 39, 8400), "b": floats(1, 32, 160, 160)}, "expected one output, got a, b"),
        ("yolox", {"a": floats(1, 8400, 8)}, r"a to be float32 \[any, 315, 8\], got float32 \[1, 8400, 8\]"),
        ("yolox", {"a": floats(1, 315, 85)}, r"got float32 \[1, 315, 85\]"),
        ("end_to_end", {"a": floats(1, 300, 7)}, r"a to be float32 \[any, any, 6\], got float32 \[1, 300, 7\]"),
        ("end_to_end", {}, "expected one output, got none"),
        ("yolov3", {"a": BOXES, "b": SCORES}, "expected three outputs"),
        ("yolov3", {"a": BOXES, "b": SCORES, "c": floats("n", 3)}, "expected three outputs"),
        ("yolov3", {"a": floats(1, 9, 4), "b": floats(1, 9, 4), "c": INDICES}, r"got a .* b float32 \[1, 9, 4\]"),
        ("yolov3", {"a": BOXES, "b": floats(1, 80, 9), "c": INDICES}, r"got a .* b float32 \[1, 80, 9\]"),
        ("yolov3", {"a": BOXES, "b": SCORES, "c": Tensor("int32", ("n", 7))}, r"c int32 \[n, 7\]"),
    ],
)
def test_another_layout_is_found_at_load(name: str, outputs: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModelConfigError, match=message):
        FAMILIES[name](spec_of(name, outputs))


@every_family
def test_another_input_is_found_at_load(name: str) -> None:
    others = {"image_shape": floats(1, 2)} if name == "yolov3" else {}
    with pytest.raises(ModelConfigError, match=r"expected one input.*, got a, b"):
        FAMILIES[name](spec_of(name, inputs={"a": floats(1, 3, 96, 160), "b": floats(1, 3, 96, 160), **others}))
    with pytest.raises(ModelConfigError, match=r"float32 \[any, 3, 96, 160\] or .*, got float32 \[1, 3, 160, 96\]"):
        FAMILIES[name](spec_of(name, inputs={"a": floats(1, 3, 160, 96), **others}))


@pytest.mark.parametrize("name", ["yolov5", "yolov8", "yolox", "end_to_end"])
def test_what_the_file_leaves_free_is_checked_when_it_answers(name: str) -> None:
    family = FAMILIES[name](spec_of(name, {"output0": floats("N", "a", "b")}))
    assert family.postprocess(HEADS[name]([CAR]), PLACED, Selection()).detections
    with pytest.raises(InferenceError) as refused:
        family.postprocess({"output0": np.zeros((1, 9, 9), np.float32)}, PLACED, Selection())
    assert "got float32 [1, 9, 9]" in str(refused.value.__cause__)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"size_wh": (100, 96)}, id="a width that no grid of 32 pixels fills"),
        pytest.param({"resize": "within"}, id="a canvas of any size"),
    ],
)
def test_yolox_wants_a_canvas_that_its_grids_fill(given: dict[str, object]) -> None:
    with pytest.raises(ModelConfigError, match=r"expected input\.size_wh in multiples of 32"):
        FAMILIES["yolox"](spec_of("yolox", given=given))


@pytest.mark.parametrize("size", [89.0, 1e30, 3e38])
def test_yolox_drops_a_box_larger_than_any_number(size: float) -> None:
    outputs = HEADS["yolox"]([CAR, PERSON])
    outputs["output0"][0, 0, 2] = size
    results = family_of("yolox").postprocess(outputs, PLACED, Selection())
    assert [found.label for found in results.detections] == ["person"]


@pytest.mark.parametrize("class_id", [0.5, -1.0, 3.0, 1e30])
def test_class_ids_that_are_no_labels_are_dropped_and_counted(class_id: float) -> None:
    outputs = HEADS["end_to_end"]([CAR, PERSON])
    outputs["output0"][0, 0, 5] = class_id
    outputs["output0"][0, -1, 5] = class_id  # padding, which nobody counts
    results = family_of("end_to_end").postprocess(outputs, PLACED, Selection())
    assert ([found.label for found in results.detections], results.dropped) == (["person"], 1)


@pytest.mark.parametrize("index", [(1, 0, 0), (0, 3, 0), (0, 0, 4000), (0, -1, 0), (-1, 0, 0), (0, 0, -1)])
def test_indices_that_lead_nowhere_are_dropped_and_counted(index: tuple[int, int, int]) -> None:
    outputs = HEADS["yolov3"]([CAR, PERSON])
    outputs["indices"][0] = index
    results = family_of("yolov3").postprocess(outputs, PLACED, Selection())
    assert ([found.label for found in results.detections], results.dropped) == (["person"], 1)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("shape", [(-1, 3), (1, -1, 3)])
@pytest.mark.parametrize("order", [("boxes", "scores", "indices"), ("indices", "scores", "boxes")])
def test_yolov3s_outputs_are_known_by_their_shapes(dtype: str, shape: tuple[int, ...], order: tuple[str, ...]) -> None:
    outputs = HEADS["yolov3"]([CAR])
    outputs["indices"] = outputs["indices"].astype(dtype).reshape(shape)
    layouts = {"boxes": BOXES, "scores": SCORES, "indices": Tensor(dtype, ("n", *outputs["indices"].shape[1:]))}
    names = {name: f"yolonms_layer_1:{place}" for place, name in enumerate(order)}
    family = FAMILIES["yolov3"](spec_of("yolov3", {names[name]: layouts[name] for name in order}))
    [found] = family.postprocess({names[name]: outputs[name] for name in order}, PLACED, Selection()).detections
    assert found.box_xyxy == pytest.approx((0.1, 0.25, 0.5, 0.75))


def test_yolov3_is_told_that_the_canvas_is_all_there_is() -> None:
    feeds, letterbox = family_of("yolov3").picture.preprocess(Frame(np.zeros((30, 20, 3), np.uint8), "rgb", (20, 30)))
    np.testing.assert_array_equal(feeds["image_shape"], np.array([[96, 160]], np.float32))
    assert feeds["image_shape"].dtype == np.float32
    assert letterbox == Letterbox((160, 96), (64, 96), (48, 0))


@pytest.mark.parametrize(
    ("name", "pixel", "padding"),
    [
        ("yolov3", (50 / 255, 100 / 255, 200 / 255), 128 / 255),
        ("yolov5", (50 / 255, 100 / 255, 200 / 255), 114 / 255),
        ("yolov8", (50 / 255, 100 / 255, 200 / 255), 114 / 255),
        ("end_to_end", (50 / 255, 100 / 255, 200 / 255), 114 / 255),
        ("yolox", (200, 100, 50), 114),
    ],
)
def test_pictures_are_fed_as_the_family_takes_for_granted(name: str, pixel: tuple[float, ...], padding: float) -> None:
    pixels = np.full((96, 80, 3), (50, 100, 200), np.uint8)
    feeds, letterbox = family_of(name).picture.preprocess(Frame(pixels, "rgb", (80, 96)))
    images = feeds["images"]
    assert images.shape == (1, 3, 96, 160)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images[0, :, 50, letterbox.offset_xy[0] + 40], pixel, rtol=1e-6)
    assert letterbox.offset_xy == ((0, 0) if name == "yolox" else (40, 0))
    np.testing.assert_allclose(images[0, :, 50, -1], [padding] * 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "mode"), [(name, mode) for name in HEADS for mode in MODES if (name, mode) != ("yolox", "within")]
)
@pytest.mark.parametrize(("size_wh", "box_xyxy"), [*DRAWN, ((160, 96), (40, 30, 120, 60))])
def test_a_block_is_told_where_it_was_drawn(
    name: str, mode: ResizeMode, size_wh: tuple[int, int], box_xyxy: tuple[int, int, int, int]
) -> None:
    """Onto the canvas, through the head, and back; the white pixels of the canvas are the detector."""
    family = family_of(name, {"resize": mode, "padding": 0})
    feeds, letterbox = family.picture.preprocess(frame_with_box(size_wh, box_xyxy))
    images = feeds["images"][0, 0]
    rows, columns = np.nonzero(images > images.max() / 2)
    seen = Seen((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), LABELS.index("dog"))
    [found] = family.postprocess(HEADS[name]([seen]), letterbox, Selection()).detections
    tolerance = 1.5 * np.array([1 / letterbox.size_wh[0], 1 / letterbox.size_wh[1]] * 2)
    assert found.label == "dog"
    assert (np.abs(np.array(found.box_xyxy) - np.array(box_xyxy) / (size_wh * 2)) <= tolerance).all()
