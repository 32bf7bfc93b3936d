"""The family ppocr: what is particular to it. backends/test_rapidocr.py runs the real weights."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.families import InputConfig, OutputConfig, Outputs, Signature, Spec, Tensor
from models.families.ppocr import LABELS, Ppocr, PpocrConfig
from models.frame import Frame
from models.letterbox import ResizeMode
from models.results import Results, Selection

INPUTS = {"pictures": Tensor("uint8", (1, "height", "width", 3))}
OUTPUTS = {
    "quads": Tensor("float32", ("lines", 4, 2)),
    "confidences": Tensor("float32", ("lines",)),
    "values": Tensor("str", ("lines",)),
}
Quad = Sequence[tuple[float, float]]
WHOLE: Quad = ((0, 0), (200, 0), (200, 100), (0, 100))
LEFT: Quad = ((20, 10), (100, 10), (100, 50), (20, 50))
SIZE_WH = (200, 100)


def ppocr(size_wh: tuple[int, int] = (1280, 1280), resize: ResizeMode = "within", language: str | None = None) -> Ppocr:
    picture = InputConfig.model_validate({**PpocrConfig.input_defaults, "size_wh": size_wh, "resize": resize})
    family = PpocrConfig(name="ppocr", language=language)
    return Ppocr(Spec(family, picture, OutputConfig(), LABELS, Signature(INPUTS, OUTPUTS)))


def outputs_of(*lines: tuple[Quad, float, str]) -> Outputs:
    quads, confidences, values = zip(*lines, strict=True) if lines else ((), (), ())
    return {
        "quads": np.array(quads, np.float32).reshape(-1, 4, 2),
        "confidences": np.array(confidences, np.float32),
        "values": np.array(values, np.str_),
    }


def read(*lines: tuple[Quad, float, str], selection: Selection | None = None, language: str | None = None) -> Results:
    family = ppocr(language=language)
    letterbox = family.picture.target.letterbox(SIZE_WH)
    return family.postprocess(outputs_of(*lines), letterbox, selection or Selection())


def values(results: Results) -> list[str]:
    return [line.value for line in results.lines]


def test_the_pixels_are_fed_as_they_are_but_blue_first() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (100, 200, 3), np.uint8)
    feeds, letterbox = ppocr().picture.preprocess(Frame(pixels, "rgb", SIZE_WH))
    assert letterbox.size_wh == SIZE_WH
    np.testing.assert_array_equal(feeds["pictures"], pixels[None, ..., ::-1])


def test_a_large_frame_is_scaled_down_in_its_own_shape() -> None:
    feeds, letterbox = ppocr().picture.preprocess(Frame(np.zeros((720, 2560, 3), np.uint8), "rgb", (2560, 720)))
    assert feeds["pictures"].shape == (1, 360, 1280, 3)
    assert letterbox.canvas_wh == (1280, 360)


def test_a_line_comes_with_its_place() -> None:
    [line] = read((LEFT, 0.9, "EXIT")).lines
    assert (line.value, line.language, line.place.label, line.place.class_id) == ("EXIT", None, "text", 0)
    assert line.place.confidence == pytest.approx(0.9)
    assert line.place.box_xyxy == pytest.approx((0.1, 0.1, 0.5, 0.5))


def test_the_language_is_the_one_that_the_model_is_configured_with() -> None:
    [line] = read((LEFT, 0.9, "SORTIE"), language="fr-CA").lines
    assert line.language == "fr-CA"


@pytest.mark.parametrize(
    ("quad", "expected"),
    [
        pytest.param([(50, 0), (150, 50), (100, 100), (0, 50)], (0, 0, 0.75, 1), id="turned"),
        pytest.param([(-20, -10), (50, -10), (50, 20), (-20, 20)], (0, 0, 0.25, 0.2), id="over the top left corner"),
        pytest.param([(150, 80), (260, 80), (260, 130), (150, 130)], (0.75, 0.8, 1, 1), id="over the bottom right"),
        pytest.param([(210, 0), (220, 0), (220, 9), (210, 9)], None, id="wholly outside"),
        pytest.param([(10, 10), (10, 10), (10, 40), (10, 40)], None, id="no width"),
    ],
)
def test_a_place_is_the_upright_box_around_it_clipped(quad: Quad, expected: tuple[float, ...] | None) -> None:
    found = read((quad, 0.9, "a")).lines
    assert [line.place.box_xyxy for line in found] == ([pytest.approx(expected)] if expected else [])


@pytest.mark.parametrize("value", ["", " ", "\u3000"])
def test_what_has_no_letter_is_dropped(value: str) -> None:
    assert read((WHOLE, 0.9, value)) == Results()


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param(Selection(), "abd", id="as configured"),
        pytest.param(Selection(confidence=0.1), "abcd", id="a lower confidence"),
        pytest.param(Selection(confidence=0.9), "bd", id="a higher confidence"),
        pytest.param(Selection(max_detections=2), "bd", id="the two most confident, in reading order"),
        pytest.param(Selection(class_ids=frozenset([0])), "abd", id="text"),
        pytest.param(Selection(class_ids=frozenset()), "", id="nothing"),
    ],
)
def test_the_model_configures_and_the_selection_overrides(selection: Selection, expected: str) -> None:
    lines = [(LEFT, confidence, value) for confidence, value in ((0.7, "a"), (0.95, "b"), (0.3, "c"), (0.99, "d"))]
    assert "".join(values(read(*lines, selection=selection))) == expected


@given(
    mode=st.sampled_from(["within", "stretch", "letterbox", "letterbox_top_left"]),
    source_wh=st.tuples(st.integers(8, 3000), st.integers(8, 3000)),
    corners=st.tuples(st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0.6, 1), st.floats(0.6, 1)),
)
def test_a_place_survives_the_way_to_the_canvas_and_back(
    mode: ResizeMode, source_wh: tuple[int, int], corners: tuple[float, float, float, float]
) -> None:
    family = ppocr((640, 480), mode)
    letterbox = family.picture.target.letterbox(source_wh)
    x0, y0, x1, y1 = (  # the letterbox applied forwards
        letterbox.offset_xy[axis % 2] + share * letterbox.size_wh[axis % 2] for axis, share in enumerate(corners)
    )
    outputs = outputs_of((((x0, y0), (x1, y0), (x1, y1), (x0, y1)), 0.9, "a"))
    [line] = family.postprocess(outputs, letterbox, Selection()).lines
    assert line.place.box_xyxy == pytest.approx(corners, abs=1e-4)
