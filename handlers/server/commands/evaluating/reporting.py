"""The figures of models, side by side, as text."""

from collections.abc import Iterator, Mapping, Sequence

from handlers.server.commands.evaluating.labelled import LabelledSet
from handlers.server.commands.evaluating.scoring import AtThreshold, Score

SIZES = ("small", "medium", "large")


def table_of_models(scores: Mapping[str, Score], thresholds: Sequence[float]) -> Iterator[str]:
    """Yield the lines of the table with a row per model; figures in percent."""
    yield from _aligned(
        [
            ["model", "labels", "AP", "AP50", *SIZES, *(f"P/R at {threshold:g}" for threshold in thresholds)],
            *(
                [
                    name,
                    str(sum(ap is not None for ap, _ in score.by_label.values())),
                    *map(_percent, (score.ap, score.ap50, *score.by_size)),
                    *(_pair(score.at[threshold]) for threshold in thresholds),
                ]
                for name, score in scores.items()
            ),
        ]
    )


def table_of_labels(labelled: LabelledSet, scores: Mapping[str, Score]) -> Iterator[str]:
    """Yield the lines of the table with a row per label that has objects: their number, and AP and AP50 per model."""
    rows = [["label", "objects", *(f"{name} AP/AP50" for name in scores)]]
    counts = labelled.counts()
    for label in labelled.labels:
        if label in counts:
            figures = [score.by_label.get(label, (None, None)) for score in scores.values()]
            rows.append([label, str(counts[label]), *(f"{_percent(ap)}/{_percent(ap50)}" for ap, ap50 in figures)])
    yield from _aligned(rows)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _pair(at: AtThreshold) -> str:
    precision = "-" if at.precision is None else f"{at.precision:.2f}"
    return f"{precision}/{at.recall:.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows with equally wide columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [f"{first:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells)
