"""Where objects are, and which reading of boxes fits."""

import pytest

from conformance.inferences import BoxLtwh, Found
from conformance.placing import (
    Evidence,
    Reading,
    are_elsewhere,
    are_shares,
    fit,
    iou,
    landmarks,
    sightings,
    wrong_reading,
)

LEFT, RIGHT = (0.1, 0.2, 0.3, 0.4), (0.6, 0.2, 0.3, 0.4)


def mirrored(box: BoxLtwh) -> BoxLtwh:
    return 1 - box[0] - box[2], *box[1:]


def staying(box: BoxLtwh) -> BoxLtwh:
    return box


READINGS: dict[str, Reading] = {"": mirrored, "stays": staying}


def found(label: str, box: BoxLtwh, confidence: float = 0.9) -> Found:
    return Found(label, confidence, box)


def evidence(*pairs: tuple[BoxLtwh, BoxLtwh], label: str = "") -> Evidence:
    """Return evidence of objects before and after; each has its own label, or all have the same."""
    before = [found(label or str(index), pair[0]) for index, pair in enumerate(pairs)]
    after = [found(label or str(index), pair[1]) for index, pair in enumerate(pairs)]
    return Evidence(sightings(before, after), READINGS)


@pytest.mark.parametrize(
    ("box", "other", "expected"),
    [
        pytest.param(LEFT, LEFT, 1, id="same"),
        pytest.param(LEFT, RIGHT, 0, id="apart"),
        pytest.param((0, 0, 1, 1), (0.5, 0, 0.5, 1), 0.5, id="half"),
        pytest.param((0, 0, 1, 1), (0.5, 0, 1, 1), 1 / 3, id="overlap"),
        pytest.param((0, 0, 0, 0), (0, 0, 0, 0), 0, id="empty"),
        pytest.param((0, 0, -1, -1), (0, 0, -1, -1), 0, id="negative"),
        pytest.param((-1e6, -1e6, 1e6, 1e6), (0, 0, 1, 1), 0, id="huge"),
    ],
)
def test_iou(box: BoxLtwh, other: BoxLtwh, expected: float) -> None:
    assert iou(box, other) == pytest.approx(expected)
    assert iou(other, box) == iou(box, other)


@pytest.mark.parametrize(
    "boxes",
    [
        pytest.param([LEFT, RIGHT], id="all"),
        pytest.param([(10, 20, 30, 40), LEFT, RIGHT], id="all but one"),
        pytest.param([], id="none"),
    ],
)
def test_shares_of_a_frame(boxes: list[BoxLtwh]) -> None:
    assert are_shares([found("cat", box) for box in boxes])


def test_pixels_are_no_shares() -> None:
    assert not are_shares([found("cat", box) for box in ((10, 20, 30, 40), (1, 2, 3, 4), LEFT)])


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([found("cat", LEFT)], ["cat"], id="large and sure"),
        pytest.param([found("cat", LEFT, 0.4)], [], id="unsure"),
        pytest.param([found("cat", LEFT, 0)], ["cat"], id="without confidences"),
        pytest.param([found("cat", LEFT, 0), found("dog", LEFT, 0.6)], ["dog"], id="one without confidence"),
        pytest.param([found("cat", (0.1, 0.1, 0.05, 0.05))], [], id="small"),
        pytest.param([found("cat", LEFT, 0.9), found("cat", RIGHT, 0.8), found("dog", LEFT, 0.7)],
                     ["dog", "cat", "cat"], id="single labels first"),
        pytest.param([found(str(number), LEFT) for number in range(9)], ["0", "1", "2"], id="the first three"),
    ],
)  # fmt: skip
def test_landmarks(objects: list[Found], expected: list[str]) -> None:
    assert [each.label for each in landmarks(objects)] == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([evidence((LEFT, RIGHT))], (1, 1), id="right"),
        pytest.param([evidence((LEFT, LEFT))], (0, 1), id="elsewhere"),
        pytest.param([evidence((LEFT, RIGHT)), evidence((LEFT, LEFT), (RIGHT, RIGHT), label="cat")], (1, 1),
                     id="objects that are alone count"),
        pytest.param([evidence((LEFT, LEFT), (RIGHT, RIGHT), label="cat")], (1, 2), id="none is alone"),
        pytest.param([Evidence(sightings([found("cat", LEFT)], [found("dog", RIGHT)]), READINGS)], None,
                     id="another label"),
        pytest.param([], None, id="nothing"),
    ],
)  # fmt: skip
def test_how_well_the_right_reading_fits(seen: list[Evidence], expected: tuple[float, int] | None) -> None:
    assert fit(seen) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([evidence((LEFT, LEFT))] * 3, True, id="three elsewhere"),
        pytest.param([evidence((LEFT, LEFT))] * 2, False, id="too few"),
        pytest.param([evidence((LEFT, RIGHT))] * 3, False, id="right"),
        pytest.param([evidence((LEFT, LEFT), (LEFT, LEFT), label="car")] * 3, False, id="a crowd"),
    ],
)
def test_boxes_that_are_elsewhere(seen: list[Evidence], *, expected: bool) -> None:
    assert are_elsewhere(seen) is expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([evidence((LEFT, RIGHT))], None, id="right"),
        pytest.param([evidence((LEFT, LEFT))], "stays", id="another reading"),
        pytest.param([evidence((LEFT, (0.35, 0.2, 0.3, 0.4)))], None, id="neither"),
        pytest.param([evidence(((0.35, 0.2, 0.3, 0.4), (0.35, 0.2, 0.3, 0.4)))], None, id="both fit"),
        pytest.param([evidence((LEFT, LEFT), (RIGHT, LEFT), (LEFT, RIGHT))], None, id="most are right"),
        pytest.param([Evidence(sightings([found("cat", LEFT)], [found("cat", LEFT), found("cat", LEFT)]), READINGS)],
                     None, id="too few of a crowd"),
        pytest.param([Evidence(sightings([found("cat", LEFT)], [found("cat", LEFT)] * 2), READINGS)] * 3,
                     "stays", id="enough of a crowd"),
    ],
)  # fmt: skip
def test_the_wrong_reading_that_fits_instead(seen: list[Evidence], expected: str | None) -> None:
    assert wrong_reading(seen) == expected
