"""The published inference metadata schema, rewritten as draft-07 from the facts of the protocol.

It is laxer than the contract's: `type` is not tied to its payload, members beside `inferences` pass, and an empty
document is valid. Everything the service sends must be valid in both.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema import Draft7Validator, ValidationError

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

_NAMES = frozenset(_INFERENCE["properties"]) | {"inferences", "tag", "box", "name", "value", "properties", *"ltwh"}
PUBLISHED = Draft7Validator(
    {"type": "object", "properties": {"inferences": {"type": "array", "minItems": 1, "items": _INFERENCE}}}
)

MAX_VIOLATIONS = 100
MAX_ITEMS, MAX_INNER_ITEMS, MAX_MEMBERS, MAX_LETTERS, MAX_DEPTH = 200, 20, 50, 500, 10
"""How much of a document is looked at: a server may send anything. The schema itself is seven levels deep."""
MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the schema forbids. `keyword`: the schema's; `expected`: the keyword's value; `place`: a path."""

    keyword: str
    expected: Any
    place: str
    value: Any

    def __str__(self) -> str:
        """Return the place and what is there."""
        return f"{self.place} is {shown(self.value)}"


def violations(document: Any) -> tuple[Violation, ...]:
    """Return what the schema forbids in the first items of a document; the first hundred at most."""
    errors = PUBLISHED.iter_errors(_cut(document))
    return tuple(_violation(error) for error in islice(errors, MAX_VIOLATIONS))


def shown(value: Any) -> str:
    """Return a value of a document in a few characters of ASCII."""
    text = json.dumps(_cut(value, MAX_DEPTH - 2))
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def path(parts: Iterator[str | int]) -> str:
    """Return where a value is, as in inferences[0].entity."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)[1:-1]}" for part in parts)
    return text.removeprefix(".") or "the document"


def _violation(error: ValidationError) -> Violation:
    keyword, expected = str(error.validator), error.validator_value
    value: Any = error.instance
    schema: Any = error.schema
    if keyword == "additionalProperties":
        value = [name for name in value if name not in schema.get("properties", {})]
    if keyword == "required":
        value = [name for name in schema["required"] if name not in value]
    return Violation(keyword, expected, path(iter(error.absolute_path)), value)


def _cut(value: Any, depth: int = 0) -> Any:
    """Return a document without what is too deep, too long or too much to be looked at; valid parts stay valid."""
    if isinstance(value, str):
        return value if len(value) <= MAX_LETTERS else value[:MAX_LETTERS].rstrip() or " "
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [_cut(each, depth + 1) for each in value[: MAX_ITEMS if depth <= 1 else MAX_INNER_ITEMS]]
    if isinstance(value, dict):
        first = sorted(value, key=lambda name: name not in _NAMES)[:MAX_MEMBERS]
        return {_cut(name): _cut(value[name], depth + 1) for name in first}
    return value
