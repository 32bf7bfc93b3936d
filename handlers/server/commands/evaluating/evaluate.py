"""Labelled pictures and models → tables and a plot."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from handlers.dataplane import DataPlane
from handlers.errors import ConfigurationError
from handlers.server.commands.evaluating.formats import read_labelled
from handlers.server.commands.evaluating.labelled import LabelledSet
from handlers.server.commands.evaluating.plotting import draw_curves
from handlers.server.commands.evaluating.reporting import table_of_labels, table_of_models
from handlers.server.commands.evaluating.running import run_model
from handlers.server.commands.evaluating.scoring import Score, score
from handlers.server.settings import Settings

MAX_SHOWN = 5
"""Names of pictures or labels in one line."""


def evaluate(
    dataplane: DataPlane, settings: Settings, place: Path, thresholds: Sequence[float], plot: Path | None
) -> None:
    """Run all models on labelled pictures, and print how good they are, side by side; write the plot, if it is wanted.

    Raises ConfigurationError and ModelsError.
    """
    served = dataplane.engine.served
    labelled = read_labelled(place, served.find(None).folder.labels)
    used = set(labelled.counts())
    scores: dict[str, Score] = {}
    notes = [labelled.note] if labelled.note else []
    for model in served.models:
        labels = [label for label in model.folder.reported if label in used]
        if not labels or "entity" not in model.folder.config.inference_types:
            notes.append(f"{model.name} is left out: it finds no object with one of these labels.")
            continue
        findings = run_model(dataplane, settings, labelled, model.name, labels)
        if findings.unread and not scores:
            sentence = f"{len(findings.unread)} picture(s) cannot be read and are left out"
            notes.append(f"{_list(sentence, findings.unread)} The first: {next(iter(findings.unread.values()))}")
        labelled = labelled.with_pictures(findings.found)
        if unknown := sorted(used - set(labels)):
            notes.append(
                _list(f"{model.name} does not have {len(unknown)} label(s), which do not count for it", unknown)
            )
        if labelled.counts().keys() & set(labels):  # pictures without objects alone have no recall
            scores[model.name] = score(labelled, findings, labels, thresholds)
    if not scores:
        raise ConfigurationError(f"{place}: no model can be evaluated with these pictures. {' '.join(notes)}")
    _print(labelled, scores, thresholds, notes)
    if plot:
        draw_curves(scores, plot)
        print(f"ok: curves of precision over recall in {plot}")


def _print(labelled: LabelledSet, scores: dict[str, Score], thresholds: Sequence[float], notes: Sequence[str]) -> None:
    print(f"ok: {len(labelled.pictures)} labelled picture(s) with {labelled.counts().total()} object(s)")
    for note in notes:
        print(f"    {note}")
    for table in (table_of_models(scores, thresholds), table_of_labels(labelled, scores)):
        print()
        print("\n".join(table))
    print()


def _list(sentence: str, names: Iterable[object]) -> str:
    listed = list(map(str, names))
    more = f", and {len(listed) - MAX_SHOWN} more" if len(listed) > MAX_SHOWN else ""
    return f"{sentence}: {', '.join(listed[:MAX_SHOWN])}{more}."
