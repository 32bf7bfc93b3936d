"""The cells of the grids of detectors, row by row."""

import numpy as np

from models.boxes import Floats
from models.letterbox import Size


def cells_xy(columns: int, rows: int) -> Floats:
    """Return the column and the row of each cell, float32 [columns * rows, 2]."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=2).reshape(-1, 2).astype(np.float32)


def cells_of_strides(size_wh: Size, strides: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return column and row [cells, 2] and side in pixels [cells] of all cells, grid after grid.

    `size_wh`: of the canvas in pixels; a grid covers it, with cells over its edge where a stride does not divide it.
    """
    grids = [(-(-size_wh[0] // stride), -(-size_wh[1] // stride)) for stride in strides]
    sides = [
        np.full(columns * rows, stride, np.float32) for stride, (columns, rows) in zip(strides, grids, strict=True)
    ]
    return np.concatenate([cells_xy(*grid) for grid in grids]), np.concatenate(sides)
