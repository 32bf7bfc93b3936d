"""Bands of rows: work on a band at a time keeps intermediate arrays small."""

from collections.abc import Iterator

BAND_ROWS = 64


def bands(height: int) -> Iterator[slice]:
    """Yield the slices that cut `height` rows into bands, top to bottom; the last one may be shorter."""
    return (slice(top, top + BAND_ROWS) for top in range(0, height, BAND_ROWS))
