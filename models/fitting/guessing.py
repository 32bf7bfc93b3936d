"""Writes the model.yaml of a file that somebody brings: guessed from inputs, outputs and metadata, and tried out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.backends.runnable import Runnable
from models.errors import ModelConfigError
from models.families import FAMILY_CONFIGS
from models.families.recognition import USUAL_CLASSES, Guess, finds_outputs_by_name, help_with, recognised
from models.fitting.file_metadata import input_in, task_in
from models.fitting.neighbours import are_tiny, better_neighbours, results_of, surest_of
from models.frame import Frame
from models.repository.config import ModelConfig
from models.repository.files import LABELS_NAME, WEIGHTS_NAME
from models.repository.folder import ModelFolder
from models.results import Results
from models.runtime.loading import MAX_CONFIDENCE

MAX_TRIED = 16
"""Ways to read a file that are tried out."""
CLASSIFY = "classify"
TUNED = ("scale", "mean", "std", "colour_order", "resize")
"""Keys of input that a file mostly does not tell."""
RARITY = {"segment": 1, "obb": 1, "pose": 2}
"""Of tasks whose values after the classes are easily confused with others; key points may be any number of values."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One way to read the file, tried out. `document`: its model.yaml."""

    guess: Guess
    document: Mapping[str, Any]
    results: Results


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that somebody brings.

    `labels`: the known ones, by class id; none: they are not known. `metadata`: what the file says about itself.
    """

    session: Runnable
    labels: Sequence[str]
    metadata: Mapping[str, str]

    def tried_on(self, frame: Frame) -> list[Tried]:
        """Return the ways to read the file, the one that sees most in a picture first.

        Raises ModelConfigError if there is none.
        """
        signature = self.session.signature
        guesses = recognised(signature, len(self.labels) or None)
        if self.labels and not guesses:
            others = "; ".join(map(str, recognised(signature)[:3]))
            fits = f" Without them it would be: {others}." if others else ""
            raise ModelConfigError(f"There are {len(self.labels)} labels, with which no family reads the file.{fits}")
        if not guesses:
            raise ModelConfigError(help_with(signature, USUAL_CLASSES[0]))
        tried = [self._tried(guess, frame) for guess in guesses[:MAX_TRIED]]
        plain = next((way for way in tried if way.guess.section == {"name": "classifier"}), None)
        if plain and plain.results.highest <= MAX_CONFIDENCE:  # confidences already
            tried = [way for way in tried if "activation" not in way.guess.section]
        return sorted(tried, key=self._rank)

    def improved(self, way: Tried, frame: Frame) -> tuple[Tried, str]:
        """Return the way with other values of `TUNED` of which the model is clearly surest, and these in words.

        If none is clearly better than those of `way`, return `way` and no words.
        """
        folder = self._folder(way.guess, way.document)
        picture = folder.config.input
        for better in better_neighbours(folder, self.session, frame):
            other = better.config.input
            changed = {key: value for key in TUNED if (value := getattr(other, key)) != getattr(picture, key)}
            if changed:
                document = {**way.document, "input": {**way.document["input"], **changed}}
                return Tried(way.guess, document, way.results), better.words
        return way, ""

    def labels_for(self, guess: Guess) -> tuple[str, ...]:
        """Return the known labels, else a name for each class."""
        labels = [f"class {number}" for number in range(guess.classes or 1)]
        if guess.section.get("preset") == "torchvision":
            labels[0] = "__background__"
        return tuple(self.labels or labels)

    def _tried(self, guess: Guess, frame: Frame) -> Tried:
        document = {
            "weights": {"file": WEIGHTS_NAME},
            **({"labels": LABELS_NAME} if FAMILY_CONFIGS[guess.section["name"]].has_labels else {}),
            "family": dict(guess.section),
            "input": {**guess.input, **input_in(self.metadata)},
        }
        return Tried(guess, document, results_of(self._folder(guess, document), self.session, frame))

    def _folder(self, guess: Guess, document: Mapping[str, Any]) -> ModelFolder:
        """Return the folder that the model would have."""
        return ModelFolder("brought", Path("brought"), ModelConfig.model_validate(document), self.labels_for(guess), "")

    def _rank(self, way: Tried) -> tuple[bool | int | float, ...]:
        """Return what sorts the likelier ways before others.

        They are for the file's task, see something, have a usual task and a usual number of classes, find their outputs
        by name, give boxes that can be seen, leave no candidates out, and are surer of the picture.
        """
        section, surest = way.guess.section, surest_of(way.results)
        return (
            not self._has_its_task(way.guess),
            FAMILY_CONFIGS[section["name"]].fits_many_files,
            not surest,
            RARITY.get(section.get("task", ""), 0),
            not self.labels and way.guess.classes not in USUAL_CLASSES,
            not finds_outputs_by_name(section, self.session.signature),
            are_tiny(way.results),
            way.results.dropped,
            -surest,
        )

    def _has_its_task(self, guess: Guess) -> bool:
        """Return whether a way to read the file is for the task that the file names; without a name, all are."""
        task = task_in(self.metadata)
        if task is None:
            return True
        is_classifier = guess.section["name"] == "classifier"
        return is_classifier if task == CLASSIFY else not is_classifier and guess.section.get("task", "detect") == task
