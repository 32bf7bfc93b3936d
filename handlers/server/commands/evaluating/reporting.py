"""The figures of models, side by side as text, and one by one as data."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from handlers.server.commands.evaluating.labelled import LabelledSet
from handlers.server.commands.evaluating.scoring import AtThreshold, Score
from handlers.server.commands.printing import aligned

SIZES = ("small", "medium", "large")


def table_of_models(scores: Mapping[str, Score], thresholds: Sequence[float]) -> Iterator[str]:
    """Yield the lines of the table with a row per model; figures in percent."""
    rows = [["model", "labels", "AP", "AP50", *SIZES, *(f"P/R at {threshold:g}" for threshold in thresholds)]]
    for name, score in scores.items():
        count = sum(ap is not None for ap, _ in score.by_label.values())
        figures = map(_percent, (score.ap, score.ap50, *score.by_size))
        rows.append([name, str(count), *figures, *(_pair(score.at[threshold]) for threshold in thresholds)])
    yield from aligned(rows, range(1, len(rows[0])))


def table_of_labels(labelled: LabelledSet, scores: Mapping[str, Score]) -> Iterator[str]:
    """Yield the lines of the table with a row per label that has objects: their number, and AP and AP50 per model."""
    rows = [["label", "objects", *(f"{name} AP/AP50" for name in scores)]]
    counts = labelled.counts()
    for label in labelled.labels:
        if label in counts:
            figures = [score.by_label.get(label, (None, None)) for score in scores.values()]
            rows.append([label, str(counts[label]), *(f"{_percent(ap)}/{_percent(ap50)}" for ap, ap50 in figures)])
    yield from aligned(rows, range(1, len(rows[0])))


def record_of(score: Score) -> dict[str, Any]:
    """Return the figures of a model as data, from 0 to 1; None where no object counts."""
    return {
        "ap": score.ap,
        "ap50": score.ap50,
        **dict(zip(SIZES, score.by_size, strict=True)),
        "at": {
            f"{threshold:g}": {"precision": at.precision, "recall": at.recall} for threshold, at in score.at.items()
        },
        "byLabel": {label: {"ap": ap, "ap50": ap50} for label, (ap, ap50) in score.by_label.items()},
    }


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _pair(at: AtThreshold) -> str:
    precision = "-" if at.precision is None else f"{at.precision:.2f}"
    return f"{precision}/{at.recall:.2f}"
