"""Cells that touch are of one group, and groups are few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scene.cells import CELL_PX, MAX_CELLS, MAX_GROUPS, boxes_xyxy, count, groups


def drawn(picture: str) -> NDArray[np.bool_]:
    return np.array([[cell == "#" for cell in row] for row in picture.split()])


def random_cells(size_hw: tuple[int, int], density: float, seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(size_hw) < density


SIZES = st.tuples(st.integers(0, 40), st.integers(0, 40))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        pytest.param("...", 0, id="none"),
        pytest.param("#", 1, id="one"),
        pytest.param("##. ..#", 1, id="touch at a corner"),
        pytest.param("#.# #.#", 2, id="apart"),
        pytest.param("#####. .....# .###.# .#...# ..###.", 1, id="spiral"),
        pytest.param("#.... ....#", 2, id="at the ends of rows"),
    ],
)
def test_cells_that_touch_are_of_one_group(picture: str, expected: int) -> None:
    labels = groups(drawn(picture))
    assert len(np.unique(labels[labels > 0])) == expected


@settings(max_examples=200)
@given(SIZES, st.floats(0, 1), st.integers(0, 9))
def test_groups_are_few_and_hold_all_cells(size_hw: tuple[int, int], density: float, seed: int) -> None:
    cells = random_cells(size_hw, density, seed)
    labels = groups(cells)
    assert ((labels > 0) == cells).all()
    assert labels.max(initial=0) <= MAX_GROUPS
    for ours, theirs in (
        (labels[1:], labels[:-1]),
        (labels[:, 1:], labels[:, :-1]),
        (labels[1:, 1:], labels[:-1, :-1]),
        (labels[1:, :-1], labels[:-1, 1:]),
    ):
        assert (ours == theirs)[(ours > 0) & (theirs > 0)].all()


def test_too_many_groups_become_fewer() -> None:
    """Some stay apart: those far from each other."""
    cells = np.zeros((40, 80), np.bool_)
    cells[:18:2, :40:2] = True
    cells[-1, -1] = True
    assert len(np.unique(groups(cells)[cells])) == 2


@pytest.mark.parametrize(("gap", "expected"), [(slice(29, 32), 1), (slice(24, 36), 2)])
def test_too_many_cells_are_grouped_in_blocks(gap: slice, expected: int) -> None:
    """What is near each other is one group then."""
    cells = np.ones((40, 61), np.bool_)
    cells[:, gap] = False
    assert np.count_nonzero(cells) > MAX_CELLS
    assert len(np.unique(groups(cells)[cells])) == expected


@settings(max_examples=100)
@given(SIZES, st.floats(0, 0.2), st.integers(0, 9))
def test_boxes_are_around_what_is_set(size_hw: tuple[int, int], density: float, seed: int) -> None:
    flags = random_cells(size_hw, density, seed)
    labels = groups(count(flags) > 0)
    ys, xs = np.nonzero(flags)
    of_pixels = labels[ys // CELL_PX, xs // CELL_PX]
    height, width = size_hw
    expected = [
        (
            xs[of_pixels == number].min() / width,
            ys[of_pixels == number].min() / height,
            (xs[of_pixels == number].max() + 1) / width,
            (ys[of_pixels == number].max() + 1) / height,
        )
        for number in np.unique(of_pixels)
    ]
    assert boxes_xyxy(flags, labels).tolist() == np.array(expected, np.float32).reshape(-1, 4).tolist()


@given(st.tuples(st.integers(0, 20), st.integers(0, 20)), st.integers(0, 9))
def test_cells_count_their_pixels(size_hw: tuple[int, int], seed: int) -> None:
    flags = random_cells(size_hw, 0.5, seed)
    counts = count(flags)
    for row, column in np.ndindex(counts.shape):
        place = np.s_[row * CELL_PX : (row + 1) * CELL_PX, column * CELL_PX : (column + 1) * CELL_PX]
        assert counts[row, column] == flags[place].sum()
    assert counts.sum() == flags.sum()
