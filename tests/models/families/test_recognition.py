"""Which families a file could be for, told from its inputs and outputs."""

from collections.abc import Mapping

import pytest

from models.families import FAMILIES, Signature, Tensor, recognition
from models.families.recognition import differences, help_with, recognised
from tests.support.models.layouts import LAYOUTS, PICTURE, Layout

PLAIN = [name for name, layout in LAYOUTS.items() if "outputs" not in layout.section]
"""Layouts that a family or a preset knows."""


def floats(*shape: int | str) -> Tensor:
    return Tensor("float32", shape)


def signature_of(layout: Layout) -> Signature:
    outputs = {name: Tensor(value.dtype.name, value.shape) for name, value in layout.encode().items()}
    return Signature({"images": layout.picture, **layout.inputs}, outputs)


@pytest.mark.parametrize("name", PLAIN)
def test_every_layout_is_among_the_guesses(name: str) -> None:
    layout = LAYOUTS[name]
    sections = [dict(guess.section) for guess in recognised(signature_of(layout), len(layout.labels) or None)]
    assert dict(layout.section) in sections


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        pytest.param({"output0": floats(1, 84, 8400)}, "yolov8, 80 label(s)", id="yolov8"),
        pytest.param({"output0": floats(1, 25200, 85)}, "yolov5, 80 label(s)", id="yolov5"),
        pytest.param({"output0": floats(1, 116, 8400), "output1": floats(1, 32, 160, 160)}, "task: segment", id="mask"),
        pytest.param({"output0": floats(1, 56, 8400)}, "yolov8, 52 label(s)", id="pose without labels"),
        pytest.param({"output0": floats(1, 300, 6)}, "end_to_end", id="end to end"),
        pytest.param({"logits": floats(1, 300, 91), "pred_boxes": floats(1, 300, 4)}, "detr, 91 label(s)", id="detr"),
        pytest.param({"a": floats(1, 1000)}, "classifier, 1000 label(s)", id="classifier"),
        pytest.param({"a": Tensor("seq(map(string,tensor(float)))", ())}, "classifier | ", id="a map tells no number"),
        pytest.param({"embedding": floats(1, 512)}, "embedding", id="embedding"),
        pytest.param({"output": floats(1, 3598, 112)}, "nanodet, 80 label(s)", id="nanodet"),
    ],
)
def test_the_number_of_labels_is_told_from_the_outputs(outputs: Mapping[str, Tensor], expected: str) -> None:
    side = 416 if "output" in outputs else 640
    guesses = recognised(Signature({"images": floats(1, 3, side, side)}, outputs))
    assert expected in " | ".join(map(str, guesses[:2])) + " | "


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (floats(1, 3, 96, 160), {"size_wh": (160, 96)}),
        (floats("N", 96, 160, 3), {"size_wh": (160, 96)}),
        (floats(1, 1, 28, 28), {"size_wh": (28, 28), "colour_order": "grey", "mean": (0.449,), "std": (0.226,)}),
        (floats("N", 3, "height", "width"), {"size_wh": (640, 640)}),
        (Tensor("uint8", (1, 320, 320, 3)), {"size_wh": (320, 320)}),
    ],
)
def test_the_canvas_is_told_from_the_picture(picture: Tensor, expected: Mapping[str, object]) -> None:
    [guess, *_] = recognised(Signature({"images": picture}, {"embedding": floats(1, 64)}))
    assert guess.input.keys() == expected.keys()
    for key, value in expected.items():
        assert guess.input[key] == pytest.approx(value, abs=1e-3)


def test_a_refusal_says_which_families_come_near() -> None:
    masks = Signature({"images": PICTURE}, {"output0": floats(1, 116, 2100), "output1": floats(1, 32, 80, 80)})
    assert help_with(masks, 80).startswith("It looks like family yolov8, task: segment, 80 label(s)")
    other_count = Signature({"images": PICTURE}, {"output0": floats(1, 85, 2100)})
    assert "yolov8, task: obb, 80 label(s)" in help_with(other_count, 80)
    fewer = Signature({"images": PICTURE}, {"output0": floats(1, 84, 2100)})
    assert "yolov8, 80 label(s)" in help_with(fewer, 3)


def test_what_no_family_reads_is_shown() -> None:
    strange = Signature({"images": PICTURE}, {"out": Tensor("int64", (1, 2, 3, 4, 5))})
    assert recognised(strange) == []
    assert "No family reads such outputs: out int64 [1, 2, 3, 4, 5]." in help_with(strange, 80)
    needed = dict(line.split(": ", 1) for line in differences(strange, 80))
    assert needed.keys() == FAMILIES.keys()
    assert "expected output out to be float32 [any, 84, any]" in needed["yolov8"]


def test_a_file_without_a_picture_is_survived() -> None:
    assert recognised(Signature({"ids": Tensor("int64", (1, 16))}, {"out": floats(1, 1000)})) == []
    assert recognised(Signature({}, {})) == []


def test_few_numbers_of_classes_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many axes there are, and however long they are, a file is tried with few labels and few times."""
    tried: list[int] = []
    monkeypatch.setattr(
        recognition, "FAMILIES", {name: lambda spec: tried.append(len(spec.labels)) for name in FAMILIES}
    )
    for outputs in (
        {"a": floats(1, 10**9)},
        {str(number): floats(1, 1000 + 40 * number) for number in range(64)},
        {str(number): floats(1, number) for number in range(1000)},
    ):
        recognised(Signature({"images": PICTURE}, outputs))
    assert max(tried) <= recognition.MAX_CLASSES
    assert len(tried) <= 10_000
