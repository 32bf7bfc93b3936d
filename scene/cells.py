"""Cells of 4 x 4 pixels: groups of them that touch each other, and boxes around groups."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Flags: TypeAlias = NDArray[np.bool_]
Labels: TypeAlias = NDArray[np.uint8]
"""[rows, columns]: to which group each cell belongs, 1..N; 0: to none."""

CELL_PX = 4
MAX_GROUPS = 32
MAX_CELLS = 512
"""Cells that are grouped one by one; grouping is Python, at about a microsecond for each."""


def count(flags: Flags) -> NDArray[np.uint8]:
    """Return how many pixels of each cell are set: [rows, columns] of cells; the last ones may be cut off."""
    height, width = flags.shape
    rows, columns = -(-height // CELL_PX), -(-width // CELL_PX)
    padded = _padded(flags, rows * CELL_PX, columns * CELL_PX)
    of_columns = padded.view(np.uint8).reshape(rows, CELL_PX, columns * CELL_PX).sum(axis=1, dtype=np.uint8)
    counts: NDArray[np.uint8] = of_columns.reshape(rows, columns, CELL_PX).sum(axis=2, dtype=np.uint8)
    return counts


def groups(cells: Flags) -> Labels:
    """Return the groups of cells that touch each other, by an edge or a corner; at most MAX_GROUPS.

    Where that gives too many, or where more than MAX_CELLS are set, cells near each other touch, too: first those in
    blocks of 2 x 2 that touch, then in larger ones.
    """
    if np.count_nonzero(cells) <= MAX_CELLS:
        labels = _labels(cells)
        if labels.max(initial=0) <= MAX_GROUPS:
            return labels
    rows, columns = cells.shape
    blocks = _padded(cells, rows + rows % 2, columns + columns % 2).reshape(-(-rows // 2), 2, -(-columns // 2), 2)
    of_blocks = groups(np.asarray(blocks.any(axis=(1, 3))))
    return cells * of_blocks.repeat(2, axis=0).repeat(2, axis=1)[:rows, :columns]


def _labels(cells: Flags) -> Labels:
    """Return the groups, or the first ones if there are more than MAX_GROUPS."""
    rows, columns = cells.shape
    bordered = np.zeros((rows + 2, columns + 2), np.uint8)
    bordered[1:-1, 1:-1] = cells
    labels = bordered.ravel()  # a view: what is written into it is in the grid
    steps = [down * (columns + 2) + right for down in (-1, 0, 1) for right in (-1, 0, 1)]
    left, number = set(np.flatnonzero(labels).tolist()), 0
    while left and number <= MAX_GROUPS:
        group, number = [left.pop()], number + 1
        for cell in group:
            near = {cell + step for step in steps} & left
            left -= near
            group.extend(near)
        labels[group] = number
    return bordered[1:-1, 1:-1]


def boxes_xyxy(flags: Flags, labels: Labels) -> NDArray[np.float32]:
    """Return [N, 4]: the box around the pixels that are set in each group, as shares of the picture.

    Each group must have such a pixel.
    """
    height, width = flags.shape
    of_pixels = flags * labels.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)[:height, :width]
    boxes_px = [_box_px(of_pixels == number) for number in np.unique(labels[labels > 0])]
    return (np.array(boxes_px).reshape(-1, 4) / (width, height, width, height)).astype(np.float32)


def _box_px(flags: Flags) -> tuple[int, int, int, int]:
    columns, rows = np.flatnonzero(flags.any(axis=0)), np.flatnonzero(flags.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _padded(flags: Flags, rows: int, columns: int) -> Flags:
    """Return the flags with rows and columns that are not set at their ends."""
    padded = np.zeros((rows, columns), np.bool_)
    padded[: flags.shape[0], : flags.shape[1]] = flags
    return padded
