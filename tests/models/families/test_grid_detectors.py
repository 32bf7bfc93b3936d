"""Detectors with grids: what is particular to one family. test_every_detector.py has the rest."""

import numpy as np
import pytest

from models.errors import ModelConfigError
from models.families import Tensor
from models.frame import Frame
from models.letterbox import Letterbox
from models.results import Selection
from tests.support.models.encoders import CANVAS_WH, Seen
from tests.support.models.heads import HEADS, built, family_of, spec_of

WHOLE_CANVAS = Letterbox(CANVAS_WH, CANVAS_WH)
CAR, PERSON = Seen((16, 24, 80, 72), 0, 0.9), Seen((100, 10, 140, 90), 1, 0.6)
BOXES = Tensor("float32", ("N", "boxes", 4))
SCORES = Tensor("float32", ("N", 3, "boxes"))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"size_wh": (100, 96)}, id="a width that no grid of 32 pixels fills"),
        pytest.param({"size_wh": (112, 96)}, id="a width that only the finer grids fill"),
        pytest.param({"resize": "within"}, id="a canvas of any size"),
    ],
)
def test_yolox_wants_a_canvas_that_its_grids_fill(given: dict[str, object]) -> None:
    with pytest.raises(ModelConfigError, match=r"expected input\.size_wh in multiples of 32"):
        built("yolox", spec_of("yolox", given=given))


@pytest.mark.parametrize("size", [89.0, 1e30, 3e38])
def test_yolox_drops_a_box_larger_than_any_number(size: float) -> None:
    outputs = HEADS["yolox"].encode([CAR, PERSON])
    outputs["output0"][0, 0, 2] = size
    results = family_of("yolox").postprocess(outputs, WHOLE_CANVAS, Selection())
    assert [found.label for found in results.detections] == ["person"]


@pytest.mark.parametrize("class_id", [0.5, -1.0, 3.0, 1e30])
def test_class_ids_that_are_no_labels_are_dropped_and_counted(class_id: float) -> None:
    outputs = HEADS["end_to_end"].encode([CAR, PERSON])
    outputs["output0"][0, 0, 5] = class_id
    outputs["output0"][0, -1, 5] = class_id  # padding, which is not counted
    results = family_of("end_to_end").postprocess(outputs, WHOLE_CANVAS, Selection())
    assert ([found.label for found in results.detections], results.dropped) == (["person"], 1)


@pytest.mark.parametrize("index", [(1, 0, 0), (0, 3, 0), (0, 0, 4000), (0, -1, 0), (-1, 0, 0), (0, 0, -1)])
def test_indices_that_lead_nowhere_are_dropped_and_counted(index: tuple[int, int, int]) -> None:
    outputs = HEADS["yolov3"].encode([CAR, PERSON])
    outputs["indices"][0] = index
    results = family_of("yolov3").postprocess(outputs, WHOLE_CANVAS, Selection())
    assert ([found.label for found in results.detections], results.dropped) == (["person"], 1)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("shape", [(-1, 3), (1, -1, 3)])
@pytest.mark.parametrize("order", [("boxes", "scores", "indices"), ("indices", "scores", "boxes")])
def test_yolov3s_outputs_are_known_by_their_shapes(dtype: str, shape: tuple[int, ...], order: tuple[str, ...]) -> None:
    outputs = HEADS["yolov3"].encode([CAR])
    outputs["indices"] = outputs["indices"].astype(dtype).reshape(shape)
    layouts = {"boxes": BOXES, "scores": SCORES, "indices": Tensor(dtype, ("n", *outputs["indices"].shape[1:]))}
    names = {name: f"yolonms_layer_1:{place}" for place, name in enumerate(order)}
    family = built("yolov3", spec_of("yolov3", {names[name]: layouts[name] for name in order}))
    [found] = family.postprocess({names[name]: outputs[name] for name in order}, WHOLE_CANVAS, Selection()).detections
    assert found.box_xyxy == pytest.approx((0.1, 0.25, 0.5, 0.75))


def test_yolov3_gets_the_size_of_the_canvas_as_that_of_the_picture() -> None:
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
