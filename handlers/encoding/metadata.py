"""Results → inference metadata JSON. The only module that knows l, t, w, h."""

import base64
import itertools
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from models.boxes import BoxXyxy
from models.families import INFERENCE_TYPES
from models.results import Classification, Detection, Embedding, Results, TextLine

DECIMALS = 6
"""Of confidences and boxes: enough for a hundredth of a pixel of the widest picture."""


def encode(
    results: Results,
    types: Collection[str] = INFERENCE_TYPES,
    subtype: str | None = None,
    moving_xyxy: Sequence[BoxXyxy] = (),
) -> bytes:
    """Return the inference metadata document, or no bytes if there are no inferences.

    Strict JSON: finite numbers; every box within 0..1 of the picture as received, none of them empty. A line of text
    follows the entity with its box, and refers to it. `types`: the types of inferences to report. `subtype`: of all of
    them. `moving_xyxy`: boxes around what has moved, to be reported as well.
    """
    entries = [
        *map(_entity, results.detections),
        *map(_classification, results.classifications),
        *itertools.chain.from_iterable(_line(number, line, types) for number, line in enumerate(results.lines, 1)),
        *map(_embedding, results.embeddings),
    ]
    inferences = [_with_subtype(entry, subtype) for entry in entries if entry and entry["type"] in types]
    inferences += [{"type": "motion", "motion": {"box": box}} for box in map(_box, moving_xyxy) if box]
    if not inferences:
        return b""
    document = {"inferences": inferences}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _with_subtype(inference: dict[str, Any], subtype: str | None) -> dict[str, Any]:
    return inference if subtype is None else {"type": inference["type"], "subtype": subtype, **inference}


def _classification(classification: Classification) -> dict[str, Any]:
    return {"type": "classification", "classification": {"tag": _tag(classification.label, classification.confidence)}}


def _line(number: int, line: TextLine, types: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the entity with the box of the line, if entities are reported and the box is not empty, and the text."""
    text: dict[str, Any] = {"type": "text", "text": {"value": line.value}}
    if line.language:
        text["text"]["language"] = line.language
    entity = _entity(line.place) if "entity" in types else None
    if entity:
        entity["inferenceId"] = f"line-{number}"
        text["relatedInferences"] = [f"line-{number}"]
        yield entity
    yield text


def _entity(detection: Detection) -> dict[str, Any] | None:
    """Return one inference, or None if its box is empty once rounded to DECIMALS."""
    box = _box(detection.box_xyxy)
    if not box:
        return None
    extensions = {"extensions": dict(detection.extensions)} if detection.extensions else {}
    return {"type": "entity", "entity": {"tag": _tag(detection.label, detection.confidence), "box": box}, **extensions}


def _embedding(embedding: Embedding) -> dict[str, Any]:
    other = {"contentType": "application/octet-stream", "contentBytes": base64.b64encode(embedding.content).decode()}
    return {
        "type": "other",
        "other": other,
        "extensions": {"dtype": "<f4", "shape": f"[{len(embedding.content) // 4}]"},
    }


def _box(box_xyxy: BoxXyxy) -> dict[str, float] | None:
    """Return a box of the protocol, or None if it is empty once rounded to DECIMALS."""
    left, top, right, bottom = (round(edge, DECIMALS) + 0.0 for edge in box_xyxy)
    width, height = round(right - left, DECIMALS), round(bottom - top, DECIMALS)
    return {"l": left, "t": top, "w": width, "h": height} if width > 0 and height > 0 else None


def _tag(label: str, confidence: float) -> dict[str, Any]:
    return {"value": label, "confidence": round(confidence, DECIMALS)}
