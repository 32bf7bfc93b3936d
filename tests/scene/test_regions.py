"""Regions and the merging of what they show, on drawn scenes with a detector that sees all that lies in a region."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scene.regions import (
    CUT_WITHIN,
    NO_BOXES,
    NOTHING,
    WHOLE,
    Floats,
    Found,
    around,
    cut_by,
    grid,
    iou_xyxy,
    joined,
    merge,
)

SIDE_PX = 320
COUNTS, OVERLAPS = st.integers(1, 4), st.floats(0, 0.5)
SOURCES = st.sampled_from([(768, 576), (1920, 1080), (320, 240), (100, 700), (250, 250)])


def found(boxes_xyxy: Floats, class_ids: Floats | None = None) -> Found:
    ids = np.zeros(len(boxes_xyxy), np.intp) if class_ids is None else class_ids.astype(np.intp)
    return Found(boxes_xyxy, ids, np.linspace(0.9, 0.6, len(boxes_xyxy)))


def seen_in(scene: Found, region_xyxy: Floats) -> Found:
    """What an ideal detector finds in a region: each object of which a quarter is inside, clipped to the region."""
    clipped = np.concatenate(
        [
            np.maximum(scene.boxes_xyxy[:, :2], region_xyxy[:2]),
            np.minimum(scene.boxes_xyxy[:, 2:], region_xyxy[2:]),
        ],
        axis=1,
    )
    sizes, whole_sizes = ((boxes[:, 2:] - boxes[:, :2]) for boxes in (clipped, scene.boxes_xyxy))
    is_seen = (sizes > 0).all(axis=1) & (sizes.prod(axis=1) >= 0.25 * whole_sizes.prod(axis=1))
    return Found(clipped, scene.class_ids, scene.confidences).at(is_seen)


@st.composite
def scenes(draw: st.DrawFn, largest: float = 0.6) -> Found:
    """Objects of two classes, at most `largest` a side, of which no two of one class are alike."""
    positions, sizes = st.floats(0, 1), st.floats(0.02, largest)
    rows = draw(st.lists(st.tuples(positions, positions, sizes, sizes, st.integers(0, 1)), max_size=10))
    kept: list[tuple[float, ...]] = []
    for x, y, width, height, class_id in rows:
        box = (x * (1 - width), y * (1 - height), x * (1 - width) + width, y * (1 - height) + height, class_id)
        if not _is_like(np.array(box), np.array(kept).reshape(-1, 5)):
            kept.append(box)
    table = np.array(kept).reshape(-1, 5)
    return found(table[:, :4], table[:, 4])


def _is_like(box: Floats, others: Floats) -> bool:
    same_class = others[others[:, 4] == box[4], :4]
    return bool((iou_xyxy(box[None, :4], same_class) > 0.3).any())


def same_objects(result: Found, scene: Found) -> bool:
    order = np.argsort(-scene.confidences, kind="stable")
    return len(result.class_ids) == len(order) and bool(
        np.allclose(result.boxes_xyxy, scene.boxes_xyxy[order])
        and (result.class_ids == scene.class_ids[order]).all()
        and np.allclose(result.confidences, scene.confidences[order])
    )


@given(COUNTS, COUNTS, OVERLAPS)
def test_a_grid_covers_the_picture_with_equal_tiles(columns: int, rows: int, overlap: float) -> None:
    tiles = grid(columns, rows, overlap)
    assert tiles.shape == (columns * rows, 4)
    assert (tiles >= 0).all()
    assert (tiles <= 1).all()
    np.testing.assert_allclose(tiles[:, 2:] - tiles[:, :2], np.tile(tiles[0, 2:] - tiles[0, :2], (len(tiles), 1)))
    np.testing.assert_allclose([*tiles[0, :2], *tiles[-1, 2:]], [0, 0, 1, 1])
    for column in range(columns - 1):
        shared = tiles[column, 2] - tiles[column + 1, 0]
        assert shared == pytest.approx(overlap * (tiles[0, 2] - tiles[0, 0]))


def test_tiles_without_overlap_touch() -> None:
    np.testing.assert_allclose(grid(2, 2, 0), [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]])


@given(scenes(), SOURCES, st.integers(1, 12))
def test_regions_hold_every_box_uncut(scene: Found, source_wh: tuple[int, int], at_most: int) -> None:
    regions = around(scene.boxes_xyxy, source_wh, SIDE_PX, at_most)
    assert len(regions) <= min(at_most, max(1, len(scene.class_ids)))
    assert (len(regions) == 0) == (len(scene.class_ids) == 0)
    for box in scene.boxes_xyxy:
        assert any(not cut_by(region, box[None], 2 * CUT_WITHIN).any() for region in regions), "with room to be found"


@given(scenes(), SOURCES)
def test_regions_are_squares_inside_the_picture(scene: Found, source_wh: tuple[int, int]) -> None:
    regions = around(scene.boxes_xyxy, source_wh, SIDE_PX, 20)
    assert (regions >= 0).all()
    assert (regions <= 1).all()
    for region in regions[~(regions == WHOLE).all(axis=1)] * np.tile(source_wh, 2):
        np.testing.assert_allclose(region, region.round(), atol=1e-9)
        np.testing.assert_allclose(region[2:] - region[:2], np.minimum(SIDE_PX, source_wh))


@pytest.mark.parametrize(
    ("boxes_px", "at_most", "regions_px"),
    [
        pytest.param([], 4, [], id="nothing"),
        pytest.param([(400, 300, 430, 380)], 4, [(255, 180, 575, 500)], id="around one"),
        pytest.param([(0, 0, 30, 60)], 4, [(0, 0, 320, 320)], id="in a corner"),
        pytest.param([(400, 300, 420, 340), (440, 320, 460, 360)], 4, [(270, 170, 590, 490)], id="two in one region"),
        pytest.param([(0, 0, 267, 40)], 4, [(0, 0, 320, 320)], id="the largest that fits with its margin"),
        pytest.param([(0, 0, 292, 40)], 4, [(0, 0, 768, 576)], id="no room for its margin"),
        pytest.param([(0, 0, 700, 500)], 4, [(0, 0, 768, 576)], id="a large one, the whole picture"),
        pytest.param([(0, 0, 20, 40), (740, 500, 760, 540)], 1, [(0, 0, 768, 576)], id="too many"),
        pytest.param(
            [(0, 0, 20, 40), (30, 0, 50, 40), (740, 500, 760, 540), (400, 200, 430, 240)],
            2,
            [(0, 0, 768, 576), (0, 0, 320, 320)],
            id="too many, the fullest one stays",
        ),
    ],
)
def test_where_regions_lie(boxes_px: list[tuple[int, ...]], at_most: int, regions_px: list[tuple[int, ...]]) -> None:
    size = np.tile((768, 576), 2)
    regions = around(np.array(boxes_px).reshape(-1, 4) / size, (768, 576), SIDE_PX, at_most)
    np.testing.assert_allclose(regions * size, np.array(regions_px).reshape(-1, 4))


@given(scenes(), COUNTS, COUNTS, OVERLAPS)
def test_a_grid_and_the_whole_picture_show_each_object_once(
    scene: Found, columns: int, rows: int, overlap: float
) -> None:
    regions = np.concatenate([WHOLE, grid(columns, rows, overlap)])
    result = merge([seen_in(scene, region) for region in regions], regions)
    assert same_objects(result, scene)


@given(scenes(largest=0.3))
def test_regions_around_all_objects_show_each_once(scene: Found) -> None:
    regions = around(scene.boxes_xyxy, (768, 576), SIDE_PX, 20)
    assume(len(regions) < 20)
    assert same_objects(merge([seen_in(scene, region) for region in regions], regions), scene)


def test_a_half_box_is_never_reported() -> None:
    left, right = grid(2, 1, 0.2)
    person = found(np.array([[0.3, 0.2, 0.8, 0.6]]))
    halves = [seen_in(person, region) for region in (left, right)]
    assert [len(half.class_ids) for half in halves] == [1, 1]
    assert len(merge(halves, np.array([left, right])).class_ids) == 0


def test_the_edge_of_the_picture_cuts_nothing() -> None:
    tile = grid(2, 2, 0.2)[0]
    corner = found(np.array([[0.0, 0.0, 0.1, 0.2]]))
    assert same_objects(merge([corner], tile[None]), corner)


def test_what_two_regions_see_is_averaged_by_confidence_and_sharpness() -> None:
    """The second region is a quarter of the picture, so its box weighs four times as much for its confidence."""
    first = Found(np.array([[0.4, 0.4, 0.5, 0.6]]), np.array([1]), np.array([0.8]))
    second = Found(np.array([[0.4, 0.4, 0.5, 0.64]]), np.array([1]), np.array([0.2]))
    result = merge([first, second], np.array([WHOLE[0], (0.25, 0.25, 0.75, 0.75)]))
    np.testing.assert_allclose(result.boxes_xyxy, [[0.4, 0.4, 0.5, 0.62]])
    assert result.confidences.tolist() == [0.8]


def test_classes_do_not_compete() -> None:
    both = Found(np.array([[0.4, 0.4, 0.5, 0.6]] * 2), np.array([0, 1]), np.array([0.9, 0.8]))
    assert same_objects(merge([both, both], np.concatenate([WHOLE, WHOLE])), both)


def test_nothing_found() -> None:
    assert len(merge([], NO_BOXES).class_ids) == 0
    assert len(merge([NOTHING, NOTHING], np.concatenate([WHOLE, WHOLE])).class_ids) == 0
    assert len(joined([]).class_ids) == 0
    no_area = Found(np.array([[0.5, 0.5, 0.5, 0.5]]), np.array([0]), np.array([0.0]))
    assert same_objects(merge([no_area], WHOLE), no_area)
