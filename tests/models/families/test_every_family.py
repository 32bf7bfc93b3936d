"""Common to every family and every layout of its files: a table of heads, as their exporters document them."""

import math

import numpy as np
import pytest

from models.errors import ModelConfigError
from models.families import FAMILY_CONFIGS, OutputConfig, Tensor
from models.letterbox import Letterbox
from models.results import Results, Selection
from tests.support.models.encoders import CANVAS_WH, Seen
from tests.support.models.heads import (
    HEADS,
    LINES,
    PIXELS,
    SEVERAL_LABELS,
    built,
    family_of,
    inputs_of,
    spec_of,
)

WHOLE_CANVAS = Letterbox(CANVAS_WH, CANVAS_WH)
CAR, DOG, PERSON = Seen((16, 24, 72, 72), 0, 0.9), Seen((2, 76, 60, 94), 2, 0.85), Seen((100, 10, 140, 90), 1, 0.7)
FAINT_DOG = Seen((2, 76, 60, 94), 2, 0.15)
every_family = pytest.mark.parametrize("name", HEADS)


def read(name: str, seen: list[Seen], selection: Selection | None = None) -> Results:
    return family_of(name).postprocess(HEADS[name].encode(seen), WHOLE_CANVAS, selection or Selection())


def names(results: Results) -> list[str]:
    labels = [detection.label for detection in results.detections]
    labels += [classification.label for classification in results.classifications]
    return labels + [line.value for line in results.lines]


def names_of(name: str, objects: list[Seen]) -> list[str]:
    return [HEADS[name].name_of(seen) for seen in objects]


@pytest.mark.parametrize("name", [name for name in HEADS if name != "classifier softmax"])
def test_nothing_seen_gives_no_results(name: str) -> None:
    assert read(name, []) == Results()


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param(Selection(), [CAR, PERSON], id="as configured"),
        pytest.param(Selection(confidence=0.85), [CAR], id="a higher confidence"),
        pytest.param(Selection(confidence=0.1), [CAR, PERSON, FAINT_DOG], id="a lower confidence"),
        pytest.param(Selection(confidence=0.95), [], id="too high a confidence"),
        pytest.param(Selection(max_detections=1), [CAR], id="only one"),
        pytest.param(Selection(class_ids=frozenset()), [], id="no class"),
    ],
)
@pytest.mark.parametrize("name", [name for name in HEADS if name != "classifier softmax"])
def test_the_model_configures_and_the_selection_overrides(
    name: str, selection: Selection, expected: list[Seen]
) -> None:
    assert names(read(name, [CAR, PERSON, FAINT_DOG], selection)) == names_of(name, expected)


@pytest.mark.parametrize("name", [name for name in HEADS if name != "classifier softmax"])
def test_the_familys_threshold_decides_unless_the_selection_has_one(name: str) -> None:
    defaults = FAMILY_CONFIGS[HEADS[name].family].output_defaults
    threshold = OutputConfig.model_validate(defaults).confidence_threshold
    above, below = Seen(CAR.box_xyxy, 0, threshold + 0.02), Seen(PERSON.box_xyxy, 1, threshold - 0.02)
    assert names(read(name, [above, below])) == names_of(name, [above])
    assert names(read(name, [above, below], Selection(confidence=threshold - 0.1))) == names_of(name, [above, below])


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param(Selection(class_ids=frozenset([1])), [PERSON], id="one class"),
        pytest.param(Selection(class_ids=frozenset([0, 2])), [CAR], id="two classes"),
        pytest.param(Selection(confidence=0.1, class_ids=frozenset([2])), [FAINT_DOG], id="an unlikely class"),
        pytest.param(Selection(0.1, frozenset([0, 1]), 1), [CAR], id="one of two classes"),
    ],
)
@pytest.mark.parametrize("name", [name for name in SEVERAL_LABELS if name != "classifier softmax"])
def test_classes_are_selected(name: str, selection: Selection, expected: list[Seen]) -> None:
    assert names(read(name, [CAR, PERSON, FAINT_DOG], selection)) == names_of(name, expected)


@pytest.mark.parametrize("name", [name for name in HEADS if name not in SEVERAL_LABELS])
def test_the_one_class_is_selected(name: str) -> None:
    assert len(names(read(name, [CAR, PERSON], Selection(class_ids=frozenset([0]))))) == 2
    assert not names(read(name, [CAR, PERSON], Selection(class_ids=frozenset([1]))))


@pytest.mark.parametrize("name", ["ssd", "yolov3", "yolov8", "end_to_end", "detr scores", "classifier", "ppocr"])
def test_a_confidence_above_one_counts_as_one(name: str) -> None:
    results = read(name, [Seen(CAR.box_xyxy, 0, 1.0000001)])
    confidences = [detection.confidence for detection in results.detections]
    confidences += [classification.confidence for classification in results.classifications]
    confidences += [line.place.confidence for line in results.lines]
    assert confidences == [1]


Place = tuple[str, tuple[int, ...]]
BROKEN: list[tuple[str, dict[Place, Seen], int]] = [
    ("ssd", {("boxes", (0, 0, 2)): CAR}, 3),
    ("ssd", {("scores", (0, 0, 0)): CAR}, 1),
    ("ssd", {("boxes", (0, 0, 2)): CAR, ("scores", (0, 1, 2)): DOG}, 4),
    ("ssd logits", {("boxes", (0, 0, 2)): CAR}, 3),
    ("ssd logits", {("logits", (0, 0, 0)): CAR}, 1),
    ("ssd logits", {("boxes", (0, 0, 2)): CAR, ("logits", (0, 1, 2)): DOG}, 4),
    ("yolov3", {("boxes", (0, 0, 2)): CAR}, 3),
    ("yolov3", {("scores", (0, 0, 0)): CAR}, 1),
    ("yolov5", {("output0", (0, 0, 1)): CAR}, 3),
    ("yolov5", {("output0", (0, 0, 4)): CAR}, 3),
    ("yolov5", {("output0", (0, 0, 5)): CAR}, 1),
    ("yolov8", {("output0", (0, 1, 0)): CAR}, 3),
    ("yolov8", {("output0", (0, 4, 0)): CAR}, 1),
    ("yolox", {("output0", (0, 0, 3)): CAR}, 3),
    ("yolox", {("output0", (0, 0, 4)): CAR}, 3),
    ("yolox", {("output0", (0, 0, 5)): CAR}, 1),
    ("end_to_end", {("output0", (0, 0, 0)): CAR}, 1),
    ("end_to_end", {("output0", (0, 0, 4)): CAR}, 1),
    ("end_to_end", {("output0", (0, 0, 5)): CAR}, 1),
    ("detr", {("pred_boxes", (0, 0, 1)): CAR}, 3),
    ("detr", {("logits", (0, 0, 0)): CAR}, 1),
    ("detr", {("pred_boxes", (0, 0, 1)): CAR, ("logits", (0, 1, 2)): DOG}, 4),
    ("detr softmax", {("logits", (0, 0, 1)): CAR}, 1),
    ("detr softmax", {("pred_boxes", (0, 0, 1)): CAR, ("logits", (0, 1, 3)): DOG}, 2),
    ("detr scores", {("boxes", (0, 0, 2)): CAR}, 1),
    ("detr scores", {("boxes", (0, 0, 2)): CAR, ("scores", (0, 1)): DOG}, 2),
    ("blazeface", {("c", (0, 0, 2)): CAR}, 1),
    ("blazeface", {("c", (0, 0, 2)): CAR, ("a", (0, 300, 0)): DOG}, 2),
    ("blazeface joined", {("regressors", (0, 300, 0)): DOG, ("classificators", (0, 0, 0)): CAR}, 2),
    ("classifier", {("probabilities", (0, 0)): CAR, ("probabilities", (0, 2)): DOG}, 2),
    ("classifier sigmoid", {("probabilities", (0, 0)): CAR, ("probabilities", (0, 2)): DOG}, 2),
    ("classifier softmax", {("probabilities", (0, 0)): CAR, ("probabilities", (0, 2)): DOG}, 2),
    ("ppocr", {("quads", (0, 1, 0)): CAR}, 1),
    ("ppocr", {("quads", (0, 1, 0)): CAR, ("confidences", (1,)): DOG}, 2),
]
"""Head, positions in its outputs with the object that each spoils, and the number of candidates spoilt in total."""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("name", "broken", "dropped"), BROKEN)
def test_values_that_are_no_numbers_are_dropped_and_counted(
    name: str, broken: dict[Place, Seen], dropped: int, value: float
) -> None:
    outputs = HEADS[name].encode([CAR, DOG, PERSON])
    for output, index in broken:
        outputs[output][index] = value
    expected = names_of(name, [seen for seen in (CAR, DOG, PERSON) if seen not in broken.values()])
    results = family_of(name).postprocess(outputs, WHOLE_CANVAS, Selection(confidence=0.01))
    assert (names(results), results.dropped) == (expected, dropped)
    at_the_bottom = family_of(name).postprocess(outputs, WHOLE_CANVAS, Selection(confidence=0))
    assert (names(at_the_bottom)[0], at_the_bottom.dropped) == (expected[0], dropped)


ALL_BROKEN = {"tensorflow": 40, "detr softmax": 40, "detr scores": 40, "end_to_end": 40, "yolox": 3 * 315, "ppocr": 2}
ALL_BROKEN |= {"classifier": 3, "classifier sigmoid": 3, "classifier softmax": 3}
ALL_BROKEN |= {"blazeface": 896, "blazeface joined": 896}


@every_family
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_outputs_that_are_all_broken_give_no_results(name: str, value: float) -> None:
    outputs = HEADS[name].encode([CAR, PERSON])
    for output in outputs.values():
        if output.dtype == np.float32:
            output[:] = value
    results = family_of(name).postprocess(outputs, WHOLE_CANVAS, Selection(confidence=0))
    assert results == Results(dropped=ALL_BROKEN.get(name, 3 * 40))


def floats(*shape: int | str) -> Tensor:
    return Tensor("float32", shape)


PICTURE, BYTES = floats(1, 3, 96, 160), Tensor("uint8", (1, 96, 160, 3))
YOLO_BOXES, YOLO_SCORES, INDICES = floats("N", "boxes", 4), floats("N", 3, "boxes"), Tensor("int32", ("selected", 3))
RAW = {"logits": floats("N", 300, 3), "pred_boxes": floats("N", 300, 4)}
DECODED = {"labels": Tensor("int64", ("N", 300)), "boxes": floats("N", 300, 4), "scores": floats("N", 300)}
FACES = {"a": floats(1, 512, 1), "b": floats(1, 384, 1), "c": floats(1, 512, 16), "d": floats(1, 384, 16)}
SIZES = Tensor("int64", ("N", 2))

OTHER_OUTPUTS = [
    ("ssd", {"boxes": floats(1, 9, 4), "logits": floats(1, 9, 80)}, "logits to be float32"),
    ("ssd", {"boxes": floats(1, 9, 4)}, r"output scores to be float32 \[any, any, 3\], got none"),
    ("ssd", {"boxes": floats(1, 84, 8400), "scores": floats(1, 9, 3)}, r"boxes to be float32 \[any, any, 4\]"),
    ("ssd", {"boxes": floats(1, 9, 4), "scores": floats(1, 9, 80)}, r"got float32 \[1, 9, 80\]"),
    ("ssd", {"boxes": floats(1, 9, 4), "scores": Tensor("float64", (1, 9, 3))}, "got float64"),
    ("yolov5", {"a": floats(1, 9, 8), "b": floats(1, 9, 8)}, r"expected one output float32 .*, got a float32 .*, b"),
    ("yolov5", {"a": floats(1, 9, 85)}, r"a to be float32 \[any, any, 8\], got float32 \[1, 9, 85\]"),
    ("yolov5", {"a": floats(1, 8, 9)}, r"\[any, any, 8\], got float32 \[1, 8, 9\]"),
    ("yolov5", {"a": Tensor("float16", (1, 9, 8))}, "got float16"),
    ("yolov8", {"a": floats(1, 84, 8400)}, r"a to be float32 \[any, 7, any\] or .*, got float32 \[1, 84, 8400\]"),
    ("yolov8", {"a": floats(1, 8400, 85)}, r"\[any, any, 7\], got float32 \[1, 8400, 85\]"),
    (
        "yolov8",
        {"a": floats(1, 39, 8400), "b": floats(1, 32, 160, 160)},
        r"one output .*, got a .*, b float32 \[1, 32,",
    ),
    ("yolox", {"a": floats(1, 8400, 8)}, r"a to be float32 \[any, 315, 8\], got float32 \[1, 8400, 8\]"),
    ("yolox", {"a": floats(1, 315, 85)}, r"got float32 \[1, 315, 85\]"),
    ("end_to_end", {"a": floats(1, 300, 7)}, r"a to be float32 \[any, any, 6\], got float32 \[1, 300, 7\]"),
    ("end_to_end", {}, r"expected one output float32 \[any, any, 6\], got none"),
    ("yolov3", {"a": YOLO_BOXES, "b": YOLO_SCORES}, "expected three outputs"),
    ("yolov3", {"a": YOLO_BOXES, "b": YOLO_SCORES, "c": floats("n", 3)}, "expected three outputs"),
    ("yolov3", {"a": floats(1, 9, 4), "b": floats(1, 9, 4), "c": INDICES}, r"got a .* b float32 \[1, 9, 4\]"),
    ("yolov3", {"a": YOLO_BOXES, "b": floats(1, 80, 9), "c": INDICES}, r"got a .* b float32 \[1, 80, 9\]"),
    ("yolov3", {"a": YOLO_BOXES, "b": YOLO_SCORES, "c": Tensor("int32", ("n", 7))}, r"c int32 \[n, 7\]"),
    ("detr", {}, r"output logits to be float32 \[any, any, 3\], got none"),
    ("detr", RAW | {"logits": floats(1, 300, 80)}, r"got float32 \[1, 300, 80\]"),
    ("detr softmax", RAW, r"logits to be float32 \[any, any, 4\], got"),
    ("detr", {"logits": RAW["logits"]}, "output pred_boxes to be .*, got none"),
    ("detr", RAW | {"pred_boxes": floats(1, 4, 300)}, r"got float32 \[1, 4, 300\]"),
    ("detr scores", DECODED | {"labels": floats(1, 300)}, "labels to be int64"),
    ("detr scores", DECODED | {"scores": floats(1, 300, 2)}, "scores to be float32"),
    ("blazeface", {}, r"expected one output float32 \[any, 512, 1\], got none"),
    ("blazeface", FACES | {"d": floats(1, 384, 4)}, r"expected one output float32 \[any, 384, 16\]"),
    ("blazeface", FACES | {"a": Tensor("float16", (1, 512, 1))}, r"got a float16 \[1, 512, 1\], b"),
    ("blazeface", FACES | {"e": floats(1, 512, 1)}, r"expected one output float32 \[any, 512, 1\]"),
    ("blazeface", {"x": floats(1, 2304, 1), "y": floats(1, 2304, 16)}, r"\[any, 896, 1\], got x"),
    ("classifier", {}, r"expected one output .*, got none"),
    ("classifier", {"x": floats(1, 3), "y": floats(1, 3)}, r"expected one output .*, got x float32 \[1, 3\], y"),
    ("classifier", {"x": floats(1, 1000)}, r"any, 3, 1, 1\] .*, got float32 \[1, 1000\]"),
    ("classifier", {"x": floats(1, 3, 7, 7)}, r"got float32 \[1, 3, 7, 7\]"),
    ("classifier", {"x": Tensor("int64", (1, 3))}, r"output x to be float32 \[any, 3\] or .*, got int64"),
    ("ppocr", LINES | {"quads": floats("n", 4)}, "output quads to be"),
    ("ppocr", LINES | {"confidences": Tensor("float64", ("n",))}, "output confidences to be"),
    ("ppocr", LINES | {"values": Tensor("int64", ("n",))}, "output values to be str"),
]


@pytest.mark.parametrize(("name", "outputs", "message"), OTHER_OUTPUTS)
def test_another_layout_is_found_at_load(name: str, outputs: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModelConfigError, match=message):
        built(name, spec_of(name, outputs))


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("ssd", {"a": floats(1, 160, 96, 3)}, r"uint8 \[any, 96, 160, 3\], got float32 \[1, 160, 96, 3\]"),
        ("ssd", {"a": Tensor("float64", (1, 3, 96, 160))}, r"float32 \[any, 3, 96, 160\] or .*, got float64 \["),
        ("detr", {"images": PICTURE, "pixel_masks": SIZES}, "expected one input, got images, pixel_masks"),
        ("detr", {"images": PICTURE, "pixel_mask": SIZES}, r"int64 \[any, any, any\], got int64 \[N, 2\]"),
        ("detr scores", {"images": PICTURE}, "expected one input beside orig_target_sizes, got images"),
        ("detr scores", {"images": PICTURE, "orig_target_sizes": floats(1, 2)}, r"int64 \[any, 2\], got float32"),
        ("ppocr", {}, "expected one input, got none"),
        ("ppocr", {"a": Tensor("int64", (1, 9, 9, 3))}, r"got int64 \[1, 9, 9, 3\]"),
    ],
)
def test_other_inputs_are_found_at_load(name: str, inputs: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModelConfigError, match=message):
        built(name, spec_of(name, inputs=inputs))


@every_family
def test_another_picture_is_found_at_load(name: str) -> None:
    others = HEADS[name].others
    with pytest.raises(ModelConfigError, match=r"expected one input.*, got a, b"):
        built(name, spec_of(name, inputs={"a": PICTURE, "b": PICTURE, **others}))
    with pytest.raises(ModelConfigError, match=r"float32 \[any, 3, 96, 160\] or .*, got float32 \[1, 3, 160, 96\]"):
        built(name, spec_of(name, inputs={"a": floats(1, 3, 160, 96), **others}))


@every_family
def test_the_picture_may_be_floats_or_bytes(name: str) -> None:
    free = {"float32": floats("N", 3, "height", "width"), "uint8": PIXELS}
    for picture in free.values() if name == "ppocr" else (PICTURE, BYTES, *free.values()):
        assert built(name, spec_of(name, inputs=inputs_of(name) | {"images": picture}))
