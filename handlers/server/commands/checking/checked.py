"""What is known of a model that was loaded and run, in words and as data."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models.families import Signature
from models.repository.golden import found_in
from models.results import Results
from models.runtime.served import Model

SHOWN_RESULTS = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """A model, what it found in a picture, and how long a frame and its run took: medians.

    `golden`: whether it has a golden picture, whose results are then as expected. `doubts`: what looks wrong.
    """

    model: Model
    results: Results
    frame_ms: float
    run_ms: float
    golden: bool
    doubts: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield the lines for people."""
        yield f"ok: {self.model.name} {_shape(self.model)}"
        found = ", ".join(itertools.islice(_in_words(self.results), SHOWN_RESULTS)) or "nothing"
        yield f"    found {found}; {self.frame_ms:.1f} ms a frame, {self.run_ms:.1f} of it the run"
        if self.golden:
            yield "    the golden picture gives the expected results"
        for doubt in self.doubts:
            yield f"    doubtful: {doubt}"

    def record(self) -> dict[str, Any]:
        """Return it as data."""
        config, signature = self.model.folder.config, _signature(self.model)
        width, height = config.input.size_wh
        return {
            "model": self.model.name,
            "family": config.family.name,
            "labels": len(self.model.folder.labels),
            "inputSize": {"width": width, "height": height},
            "providers": list(config.execution.providers),
            "inputs": {name: str(tensor) for name, tensor in signature.inputs.items()},
            "outputs": {name: str(tensor) for name, tensor in signature.outputs.items()},
            "then": [link.model for link in config.then],
            "found": list(_in_words(self.results)),
            "frameMs": round(self.frame_ms, 2),
            "runMs": round(self.run_ms, 2),
            "golden": self.golden,
            "doubts": list(self.doubts),
        }


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as one row of CSV, with the accuracy, if that was asked for."""
    size, accuracy = record["inputSize"], record["accuracy"] or {}
    return {
        **{key: record[key] for key in ("model", "family", "labels")},
        "input": f"{size['width']}x{size['height']}",
        **{key: record[key] for key in ("providers", "found", "frameMs", "runMs", "golden", "doubts")},
        **{key: accuracy.get(key) for key in ("ap", "ap50", "small", "medium", "large")},
    }


def _signature(model: Model) -> Signature:
    return model.loaded.signature if model.loaded else Signature({}, {})


def _shape(model: Model) -> str:
    """Return family, labels, input size and tensors of a loaded model, and each chained model on a line of its own."""
    config, signature = model.folder.config, _signature(model)
    width, height = config.input.size_wh
    count = len(model.folder.labels)
    labels = "1 label" if count == 1 else f"{count} labels"
    tensors = [f"{name} {tensor}" for name, tensor in (*signature.inputs.items(), *signature.outputs.items())]
    chained = [f"\n    then {link.model}, for {', '.join(link.labels or ['all labels'])}" for link in config.then]
    return (
        f"(family {config.family.name}, {labels}, {width} x {height}, "
        f"on {', '.join(config.execution.providers)}: {'; '.join(tensors)}){''.join(chained)}"
    )


def _in_words(results: Results) -> Iterator[str]:
    """Yield each result with what chained models say of it: cup 0.96 (kind: espresso 0.90)."""
    for number, result in enumerate(found_in(results)):
        chained = [each for detection in results.detections[number : number + 1] for each in detection.chained]
        said = "; ".join(f"{each.model}: {', '.join(_in_words(each.results))}" for each in chained)
        yield f"{result.label} {result.confidence:.2f}{f' ({said})' if said else ''}"
    for embedding in results.embeddings:
        yield f"a vector of {len(embedding.content) // 4} numbers"
