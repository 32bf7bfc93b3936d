"""Box geometry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.boxes import NMS_BLOCK, area_xyxy, iou_xyxy, nms_per_class, xyxy_from_cxcywh

EMPTY = np.empty((0, 4), np.float32)
SHARES = st.floats(0, 1, width=32)


def boxes(*rows: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


@st.composite
def box_sets(draw: st.DrawFn) -> NDArray[np.float32]:
    corners = draw(st.lists(st.tuples(SHARES, SHARES, SHARES, SHARES), max_size=12))
    return boxes(*((min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners))


def test_edges_of_a_centre_and_a_size() -> None:
    centred = boxes((0.5, 0.25, 0.5, 0.25), (0, 0, 1, 2), (0, np.nan, 1, 1), (3e38, 0, 3e38, 1))
    edges = boxes(
        (0.25, 0.125, 0.75, 0.375), (-0.5, -1, 0.5, 1), (-0.5, np.nan, 0.5, np.nan), (1.5e38, -0.5, np.inf, 0.5)
    )
    np.testing.assert_allclose(xyxy_from_cxcywh(centred), edges)


@pytest.mark.parametrize(
    ("rows", "areas"),
    [
        pytest.param(EMPTY, [], id="none"),
        pytest.param(boxes((0, 0, 0.5, 0.5)), [0.25], id="a quarter"),
        pytest.param(boxes((0.25, 0.5, 0.75, 1)), [0.25], id="a quarter elsewhere"),
        pytest.param(boxes((0.5, 0, 0.5, 1)), [0], id="no width"),
        pytest.param(boxes((0.6, 0.6, 0.5, 0.5)), [0], id="inside out"),
    ],
)
def test_area(rows: NDArray[np.float32], areas: list[float]) -> None:
    np.testing.assert_allclose(area_xyxy(rows), areas)


@pytest.mark.parametrize(
    ("box", "other", "iou"),
    [
        pytest.param((0, 0, 1, 1), (0, 0, 1, 1), 1, id="the same"),
        pytest.param((0, 0, 1, 1), (0, 0, 0.5, 1), 0.5, id="one half of the other"),
        pytest.param((0, 0, 0.5, 1), (0.5, 0, 1, 1), 0, id="side by side"),
        pytest.param((0.2, 0.2, 0.2, 0.2), (0.2, 0.2, 0.2, 0.2), 0, id="both empty"),
    ],
)
def test_iou(box: tuple[float, ...], other: tuple[float, ...], iou: float) -> None:
    np.testing.assert_allclose(iou_xyxy(boxes(box), boxes(other)), [[iou]])  # type: ignore[arg-type]


@given(box_sets())
def test_iou_is_symmetric_and_a_share(rows: NDArray[np.float32]) -> None:
    iou = iou_xyxy(rows, rows)
    np.testing.assert_allclose(iou, iou.T)
    assert ((iou >= 0) & (iou <= 1 + 1e-6)).all()


@pytest.mark.parametrize(
    ("rows", "class_ids", "kept"),
    [
        pytest.param(EMPTY, [], [], id="none"),
        pytest.param(boxes((0, 0, 1, 1), (0, 0, 1, 0.9)), [0, 0], [0], id="an overlap of one class"),
        pytest.param(boxes((0, 0, 1, 1), (0, 0, 1, 0.9)), [0, 1], [0, 1], id="an overlap of two classes"),
        pytest.param(
            boxes((0, 0, 1, 1), (0, 0, 1, 0.5)), [0, 0], [0, 1], id="an overlap of no more than the threshold"
        ),
        pytest.param(
            boxes((0, 0, 1, 1), (0, 0, 1, 0.55), (0, 0, 1, 0.3)), [0, 0, 0], [0, 2], id="a dropped box drops nobody"
        ),
    ],
)
def test_nms(rows: NDArray[np.float32], class_ids: list[int], kept: list[int]) -> None:
    assert nms_per_class(rows, np.array(class_ids, np.intp), 0.5, 9) == kept


@given(box_sets(), st.data())
def test_nms_keeps_no_overlap_and_explains_every_drop(rows: NDArray[np.float32], data: st.DataObject) -> None:
    class_ids = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))), np.intp)
    kept = nms_per_class(rows, class_ids, 0.5, len(rows))
    overlaps = (iou_xyxy(rows, rows) > 0.5) & (class_ids[:, None] == class_ids[None])
    for index in range(len(rows)):
        earlier = [other for other in kept if other < index and overlaps[other, index]]
        assert (index in kept) != bool(earlier)


def test_nms_stops_when_enough_are_kept() -> None:
    rows = boxes((0, 0, 0.1, 0.1), (0.2, 0, 0.3, 0.1), (0.4, 0, 0.5, 0.1))
    assert nms_per_class(rows, np.zeros(3, np.intp), 0.5, 2) == [0, 1]


@pytest.mark.parametrize("max_kept", [1, NMS_BLOCK - 1, NMS_BLOCK, 2 * NMS_BLOCK, 9 * NMS_BLOCK])
def test_nms_of_many_is_that_of_all_at_once(max_kept: int) -> None:
    random = np.random.default_rng(7)
    corners = random.random((3 * NMS_BLOCK + 5, 2), np.float32)
    rows = np.concatenate([corners, corners + np.float32(0.1)], axis=1)
    class_ids = random.integers(0, 2, len(rows))
    kept: list[int] = []
    for index in range(len(rows)):
        rivals = [other for other in kept if class_ids[other] == class_ids[index]]
        if len(kept) < max_kept and not (iou_xyxy(rows[[index]], rows[rivals]) > 0.3).any():
            kept.append(index)
    assert nms_per_class(rows, class_ids, 0.3, max_kept) == kept
