"""The published inference metadata schema, rewritten as draft-07 from the facts of the protocol.

It is laxer than the contract's: `type` is not tied to its payload, members beside `inferences` pass, and an empty
document is valid. Everything the service sends must be valid in both.
"""

from typing import Any

from jsonschema import Draft7Validator

PAYLOADS = ("classification", "motion", "entity", "event", "text", "other")
TEXT = {"type": "string"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def _record(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def _payload_of(name: str) -> dict[str, Any]:
    others = [other for other in PAYLOADS if other != name]
    return {"required": ["type", name], "not": {"required": others}}


_TAG = _record(("value",), value=TEXT, confidence=SHARE)
_BOX = _record(("l", "t", "w", "h"), l=SHARE, t=SHARE, w=SHARE, h=SHARE)
_ATTRIBUTES = {"type": "array", "items": _record(("name", "value"), name=TEXT, value=TEXT, confidence=SHARE)}
_INFERENCE = _record(
    type={"type": "string", "enum": list(PAYLOADS)},
    subtype={"type": "string", "pattern": r"^\S(\s*\S)*$"},
    inferenceId=TEXT,
    relatedInferences={"type": "array", "items": TEXT},
    extensions=TEXTS,
    classification=_record(("tag",), tag=_TAG, attributes=_ATTRIBUTES),
    entity=_record(("tag", "box"), id=TEXT, tag=_TAG, attributes=_ATTRIBUTES, box=_BOX),
    motion=_record((), box=_BOX),
    event=_record(("name", "properties"), name=TEXT, properties=TEXTS, box=_BOX),
    text=_record(
        ("value",),
        value=TEXT,
        language=TEXT,
        startTimestamp={"type": "integer"},
        endTimestamp={"type": "integer"},
    ),
    other=_record((), contentType=TEXT, contentBytes=TEXT),
) | {"oneOf": [_payload_of(name) for name in PAYLOADS]}

PUBLISHED = Draft7Validator(
    {"type": "object", "properties": {"inferences": {"type": "array", "minItems": 1, "items": _INFERENCE}}}
)
