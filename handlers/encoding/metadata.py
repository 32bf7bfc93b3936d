"""Results → inference metadata JSON. The only module that knows l, t, w, h."""

import base64
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from models.boxes import BoxXyxy
from models.families import INFERENCE_TYPES
from models.results import Classification, Detection, Embedding, Points, Results, TextLine
from scene.events import Event, inference_of

DECIMALS = 6
"""Of confidences and boxes: enough for a hundredth of a pixel of the widest picture."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What is reported of one model's results: inferences of these types, with this subtype."""

    types: Collection[str] = INFERENCE_TYPES
    subtype: str | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """What is reported of a stream besides results.

    `moving_xyxy`: boxes around what has moved. `events`: at lines and in zones. `has_sequence_ids`: whether entities
    have their track as `sequenceId`, too.
    """

    moving_xyxy: Sequence[BoxXyxy] = ()
    events: Sequence[Event] = ()
    has_sequence_ids: bool = False


EVERYTHING, NOTHING = Reported(), Happened()


def encode(
    results: Results,
    reported: Reported = EVERYTHING,
    chained: Mapping[str, Reported] = MappingProxyType({}),
    happened: Happened = NOTHING,
) -> bytes:
    """Return the inference metadata document, or no bytes if there are no inferences.

    Strict JSON: finite numbers; every box within 0..1 of the picture as received, none of them empty. A line of text
    follows the entity with its box, and refers to it. What chained models say of an object follows the object: a class
    becomes an attribute of it, other results refer to it. `chained`: what is reported of chained models, by name.
    `happened`: what is reported besides.
    """
    inferences = [*_Inferences(chained, has_sequence_ids=happened.has_sequence_ids).of(results, reported)]
    inferences += [{"type": "motion", "motion": {"box": box}} for box in map(box_of, happened.moving_xyxy) if box]
    inferences += map(inference_of, happened.events)
    if not inferences:
        return b""
    document = {"inferences": inferences}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class _Inferences:
    """Makes the inferences of one document. `chained`, `has_sequence_ids`: as `encode` has them."""

    def __init__(self, chained: Mapping[str, Reported], *, has_sequence_ids: bool = False) -> None:
        self._chained, self._has_sequence_ids = chained, has_sequence_ids
        self._numbers = itertools.count(1)

    def of(self, results: Results, reported: Reported, related: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Yield the inferences of one model. `related`: the identifiers of what all of them refer to."""
        for detection in results.detections:
            yield from self._object(detection, reported, related)
        for inference in map(_classification, results.classifications):
            yield from _described(inference, reported, related)
        for line in results.lines:
            yield from self._line(line, reported, related)
        for inference in map(_embedding, results.embeddings):
            yield from _described(inference, reported, related)

    def _object(self, detection: Detection, reported: Reported, related: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield an entity, if its box is not empty, then what chained models say of it."""
        entity = _entity(detection)
        if entity is None:
            return
        sighting = detection.sighting
        if sighting:
            entity["entity"]["id"] = sighting.track
            entity |= {"sequenceId": sighting.track} if self._has_sequence_ids else {}
        if not detection.chained:
            yield from _described(entity, reported, related, sighting.id if sighting else "")
            return
        identifier = sighting.id if sighting else f"object-{next(self._numbers)}"
        others: list[dict[str, Any]] = []
        for chained in detection.chained:
            theirs = self._chained.get(chained.model, EVERYTHING)
            for each in chained.results.classifications if "classification" in theirs.types else ():
                entity["entity"].setdefault("attributes", []).append(_attribute(chained.model, each))
            others += self.of(replace(chained.results, classifications=()), theirs, [identifier])
        yield from _described(entity, reported, related, identifier if others or sighting else "")
        yield from others

    def _line(self, line: TextLine, reported: Reported, related: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the entity with the box of a line, if entities are reported and it is not empty, then the text."""
        text: dict[str, Any] = {"value": line.value}
        if line.language:
            text["language"] = line.language
        entity = _entity(line.place) if "entity" in reported.types else None
        if entity:
            identifier = f"line-{next(self._numbers)}"
            yield from _described(entity, reported, related, identifier)
            related = [identifier, *related]
        yield from _described({"type": "text", "text": text}, reported, related)


def _described(
    inference: dict[str, Any], reported: Reported, related: Sequence[str], identifier: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield an inference, if its type is reported, with all that is not empty."""
    if inference["type"] in reported.types:
        yield {
            "type": inference["type"],
            **({} if reported.subtype is None else {"subtype": reported.subtype}),
            **inference,
            **({"inferenceId": identifier} if identifier else {}),
            **({"relatedInferences": list(related)} if related else {}),
        }


def _attribute(model: str, classification: Classification) -> dict[str, Any]:
    tag = _tag(classification.label, classification.confidence)
    return {"name": model, **tag}


def _classification(classification: Classification) -> dict[str, Any]:
    return {"type": "classification", "classification": {"tag": _tag(classification.label, classification.confidence)}}


def _entity(detection: Detection) -> dict[str, Any] | None:
    """Return one inference, or None if its box is empty once rounded to DECIMALS."""
    box = box_of(detection.box_xyxy)
    if not box:
        return None
    known = {name: value if isinstance(value, str) else _points(value) for name, value in detection.extensions}
    extensions = {"extensions": known} if known else {}
    return {"type": "entity", "entity": {"tag": _tag(detection.label, detection.confidence), "box": box}, **extensions}


def _points(points: Points) -> str:
    """Return points as a JSON list; an extension is a text."""
    rounded = [[round(value, DECIMALS) + 0.0 for value in point] for point in points]
    return json.dumps(rounded, separators=(",", ":"))


def _embedding(embedding: Embedding) -> dict[str, Any]:
    other = {"contentType": "application/octet-stream", "contentBytes": base64.b64encode(embedding.content).decode()}
    return {
        "type": "other",
        "other": other,
        "extensions": {"dtype": "<f4", "shape": f"[{len(embedding.content) // 4}]"},
    }


def box_of(box_xyxy: BoxXyxy) -> dict[str, float] | None:
    """Return a box of the protocol, or None if it is empty once rounded to DECIMALS."""
    left, top, right, bottom = (round(edge, DECIMALS) + 0.0 for edge in box_xyxy)
    width, height = round(right - left, DECIMALS), round(bottom - top, DECIMALS)
    return {"l": left, "t": top, "w": width, "h": height} if width > 0 and height > 0 else None


def _tag(label: str, confidence: float) -> dict[str, Any]:
    return {"value": label, "confidence": round(confidence, DECIMALS)}
