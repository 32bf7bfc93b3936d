"""Tries a model on a picture under other settings than those of its model.yaml, to find out whether one fits better.

A model that gets its channels swapped, its values in another range, or the picture in another shape mostly still finds
something. So does one whose logits are taken as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.backends.runnable import Runnable
from models.errors import InferenceError, ModelConfigError
from models.families.config import IMAGENET
from models.frame import Frame
from models.order import FrameOrder
from models.repository.config import ExpectedResult, ModelConfig
from models.repository.folder import ModelFolder
from models.repository.golden import found_in, iou_of
from models.results import Results
from models.runtime.loading import MAX_CONFIDENCE, family_of
from models.runtime.steps import Postprocess, Preprocess, Run, Work

MIN_CONFIDENCE = 0.25
MAX_RESULTS = 20
SURER_BY = 0.25
"""How much higher the highest confidence of a neighbour must be, before it is named."""
TINY_SHARE, MIN_TINY = 0.01, 2
"""Of the picture's width and height; and how many such boxes it takes to doubt them."""
ERROR_LESS_BY, ERROR_SHARE = 0.05, 0.5
"""How much closer it must come to the expected results of a golden picture."""

RANGES: Mapping[str, Mapping[str, Any]] = {
    "values 0..255": {"scale": 1, "mean": (0,), "std": (1,)},
    "values 0..1": {"scale": 1 / 255, "mean": (0,), "std": (1,)},
    "values -1..1": {"scale": 1, "mean": (127.5,), "std": (127.5,)},
    "values normalised as for ImageNet": IMAGENET,
}
READINGS = {"activation": ("none", "sigmoid", "softmax"), "unit": ("pixels", "shares")}
FIXED_RESIZES = ("within", "stretch_crop")
RESIZES = ("stretch", "letterbox", "letterbox_top_left", "centre_crop")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Other settings, in words and as model.yaml would have them."""

    words: str
    config: ModelConfig


def neighbours_of(config: ModelConfig, *, takes_bytes: bool) -> Iterator[Neighbour]:
    """Yield settings that differ in one respect: channel order, range, resizing, activation, unit.

    `takes_bytes`: whether the file normalises pixels itself.
    """
    picture = config.input
    if picture.colour_order != "grey":
        other = "bgr" if picture.colour_order == "rgb" else "rgb"
        yield _with_input(config, f"input.colour_order: {other}", colour_order=other)
        for words, values in {} if takes_bytes else RANGES.items():
            if not _is_same_range(config, values):
                yield _with_input(config, f"input.scale, mean and std for {words}", **values)
    for resize in RESIZES if picture.resize not in FIXED_RESIZES else ():
        if resize != picture.resize:
            yield _with_input(config, f"input.resize: {resize}", resize=resize)
    yield from _with_other_readings(config)


def _with_other_readings(config: ModelConfig) -> Iterator[Neighbour]:
    """Yield settings that read the outputs in another way."""
    for key, values in READINGS.items():
        for value in values if hasattr(config.family, key) else ():
            if value != getattr(config.family, key):
                family = config.family.model_copy(update={key: value})
                yield Neighbour(f"family.{key}: {value}", config.model_copy(update={"family": family}))


def results_of(folder: ModelFolder, session: Runnable, frame: Frame) -> Results:
    """Return what a model finds in a whole picture, from a low confidence on; nothing where its file does not fit.

    `session`: the weights, which may be those of a folder whose settings differ.
    """
    work = Work(FrameOrder(), folder)
    work.frame, work.selection = frame, folder.select(MIN_CONFIDENCE, None, MAX_RESULTS)
    try:
        family = family_of(folder, session.signature)
        work.run((Preprocess(family), Run(session), Postprocess(family)))
    except (ModelConfigError, InferenceError, ValueError):
        return Results()
    return work.results


def better_neighbours(
    folder: ModelFolder, session: Runnable, frame: Frame, expected: Sequence[ExpectedResult] = ()
) -> list[Neighbour]:
    """Return the settings under which the model is clearly surer of a picture, the best one first.

    `expected`: what a golden picture must show; then those that come clearly closer to it.
    """
    takes_bytes = any(tensor.dtype == "uint8" for tensor in session.signature.inputs.values())
    given = results_of(folder, session, frame)
    found: list[tuple[float, Neighbour]] = []
    for neighbour in neighbours_of(folder.config, takes_bytes=takes_bytes):
        if _activates_confidences(neighbour.config, folder.config, given):
            continue
        results = results_of(replace(folder, config=neighbour.config), session, frame)
        if expected:
            before, after = error_of(given, expected), error_of(results, expected)
            if after < before - ERROR_LESS_BY and after < before * ERROR_SHARE:
                found.append((after, neighbour))
        elif surest_of(results) > surest_of(given) + SURER_BY:
            found.append((-surest_of(results), neighbour))
    return [neighbour for _, neighbour in sorted(found, key=lambda pair: pair[0])]


def _activates_confidences(config: ModelConfig, plain: ModelConfig, given: Results) -> bool:
    """Return whether settings make confidences of what are confidences already, as `given`, read plainly, shows."""
    is_plain = getattr(plain.family, "activation", None) == "none" and given.highest <= MAX_CONFIDENCE
    return is_plain and getattr(config.family, "activation", None) != "none"


def surest_of(results: Results) -> float:
    """Return the highest confidence, 0..1; 0 if there is none, or if values are too high for confidences."""
    if results.highest > MAX_CONFIDENCE:
        return 0.0
    return max((result.confidence for result in found_in(results)), default=0.0)


def are_tiny(results: Results) -> bool:
    """Return whether all boxes, of at least two, are so small that they are probably in another unit."""
    boxes = [detection.box_xyxy for detection in results.detections]
    return len(boxes) >= MIN_TINY and all(
        right - left < TINY_SHARE and bottom - top < TINY_SHARE for left, top, right, bottom in boxes
    )


def error_of(results: Results, expected: Sequence[ExpectedResult]) -> float:
    """Return how far results are from the expected ones: 0 means the same, 1 that none was found."""
    found = list(found_in(results))
    errors = [min((_distance(result, wanted) for result in found), default=1.0) for wanted in expected]
    return sum(errors) / len(errors)


def _distance(result: ExpectedResult, wanted: ExpectedResult) -> float:
    if result.label != wanted.label:
        return 1.0
    overlap = iou_of(result, wanted)
    return min(1.0, abs(result.confidence - wanted.confidence) + 1 - (1.0 if overlap is None else overlap))


def _with_input(config: ModelConfig, words: str, **values: Any) -> Neighbour:
    return Neighbour(words, config.model_copy(update={"input": config.input.model_copy(update=values)}))


def _is_same_range(config: ModelConfig, values: Mapping[str, Any]) -> bool:
    return all(
        np.allclose(np.broadcast_to(getattr(config.input, key), 3), np.broadcast_to(value, 3))
        for key, value in values.items()
    )
