"""Labelled pictures and models → tables and a plot."""

import argparse
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from handlers.dataplane import DataPlane
from handlers.errors import ConfigurationError
from handlers.server.commands.evaluating.formats import read_labelled
from handlers.server.commands.evaluating.plotting import draw_curves
from handlers.server.commands.evaluating.reporting import record_of, table_of_labels, table_of_models
from handlers.server.commands.evaluating.running import run_model
from handlers.server.commands.evaluating.scoring import Score, score
from handlers.server.commands.printing import Say
from handlers.server.settings import Settings
from models.runtime.served import Model

MAX_SHOWN = 5
"""Names of pictures or labels in one line."""


def evaluate(dataplane: DataPlane, settings: Settings, options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Run all models on labelled pictures, and say how good they are, side by side; write the plot, if it is wanted.

    Returns name of a model → its figures as data. Raises ConfigurationError and ModelsError.
    """
    labelled = read_labelled(options.evaluate, dataplane.engine.served.find(None).folder.labels)
    notes = [labelled.note] if labelled.note else []
    scores: dict[str, Score] = {}
    for model, labels in _with_labels(dataplane, set(labelled.counts()), notes):
        findings = run_model(dataplane, settings, labelled, model.name, labels)
        if findings.unread and not scores:
            sentence = f"{len(findings.unread)} picture(s) cannot be read and are left out"
            notes.append(f"{_list(sentence, findings.unread)} The first: {next(iter(findings.unread.values()))}")
        labelled = labelled.with_pictures(findings.found)
        if labelled.counts().keys() & set(labels):  # pictures without objects alone have no recall
            scores[model.name] = score(labelled, findings, labels, options.thresholds)
    if not scores:
        raise ConfigurationError(
            f"{options.evaluate}: no model can be evaluated with these pictures. {' '.join(notes)}"
        )
    say(f"ok: {len(labelled.pictures)} labelled picture(s) with {labelled.counts().total()} object(s)")
    for note in notes:
        say(f"    {note}")
    for table in (table_of_models(scores, options.thresholds), table_of_labels(labelled, scores)):
        say("\n".join(["", *table]))
    say("")
    if options.plot:
        draw_curves(scores, options.plot)
        say(f"ok: curves of precision over recall in {options.plot}")
    return {name: record_of(score) for name, score in scores.items()}


def _with_labels(dataplane: DataPlane, used: Collection[str], notes: list[str]) -> Iterator[tuple[Model, list[str]]]:
    """Yield each model that finds objects with some of the labels used, and those; add a note for each other label."""
    for model in dataplane.engine.served.models:
        labels = [label for label in model.folder.reported if label in used]
        if not labels or "entity" not in model.folder.config.inference_types:
            notes.append(f"{model.name} is left out: it finds no object with one of these labels.")
            continue
        yield model, labels
        if unknown := sorted(set(used) - set(labels)):
            notes.append(
                _list(f"{model.name} does not have {len(unknown)} label(s), which do not count for it", unknown)
            )


def _list(sentence: str, names: Iterable[object]) -> str:
    listed = list(map(str, names))
    more = f", and {len(listed) - MAX_SHOWN} more" if len(listed) > MAX_SHOWN else ""
    return f"{sentence}: {', '.join(listed[:MAX_SHOWN])}{more}."
