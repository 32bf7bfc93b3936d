"""Answers of extension servers: what is in them, if it follows the protocol.

An inference that does not follow the published schema is dropped alone. Stricter than the schema: an inference has no
other payload than the one that its `type` names. Laxer: it may have a `sequenceId`.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from player.errors import ExtensionError
from player.flow import Inference

MAX_INFERENCES = 10_000
"""Of one answer; further ones are dropped."""
INT64 = 1 << 63
SUBTYPE = r"^[^\s\x1c-\x1f\ufeff]([\s\x1c-\x1f\ufeff]*[^\s\x1c-\x1f\ufeff])*$"
"""No blanks around it, whatever Python, JavaScript and pydantic take for blanks."""

Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Ticks: TypeAlias = Annotated[int, Field(ge=-INT64, lt=INT64)]


class _Record(BaseModel):
    """A part of an inference. Defaults stand for what is not there; null is no value of any member."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


class _Tag(_Record):
    value: str
    confidence: Share = 0.0


class _Attribute(_Record):
    name: str
    value: str
    confidence: Share = 0.0


class _Box(_Record):
    l: Share  # noqa: E741, the protocol's name
    t: Share
    w: Share
    h: Share


NO_BOX = _Box(l=0, t=0, w=0, h=0)


class _Classification(_Record):
    tag: _Tag
    attributes: list[_Attribute] = []


class _Entity(_Classification):
    id: str = ""
    box: _Box


class _Motion(_Record):
    box: _Box = NO_BOX


class _Event(_Motion):
    name: str
    properties: dict[str, str]


class _Text(_Record):
    value: str
    language: str = ""
    start_timestamp: Ticks = 0
    end_timestamp: Ticks = 0


class _Other(_Record):
    content_type: str = ""
    content_bytes: str = ""


class _Inference(_Record):
    subtype: Annotated[str, Field(pattern=SUBTYPE)] = "-"
    inference_id: str = ""
    sequence_id: str = ""
    related_inferences: list[str] = []
    extensions: dict[str, str] = {}


class _ClassificationInference(_Inference):
    type: Literal["classification"]
    classification: _Classification


class _EntityInference(_Inference):
    type: Literal["entity"]
    entity: _Entity


class _MotionInference(_Inference):
    type: Literal["motion"]
    motion: _Motion


class _EventInference(_Inference):
    type: Literal["event"]
    event: _Event


class _TextInference(_Inference):
    type: Literal["text"]
    text: _Text


class _OtherInference(_Inference):
    type: Literal["other"]
    other: _Other


_AnyInference: TypeAlias = (
    _ClassificationInference | _EntityInference | _MotionInference | _EventInference | _TextInference | _OtherInference
)
_INFERENCE: TypeAdapter[_AnyInference] = TypeAdapter(Annotated[_AnyInference, Field(discriminator="type")])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server found. `dropped`: how many of its inferences do not follow the protocol."""

    inferences: tuple[Inference, ...] = ()
    dropped: int = 0


def read_answer(content_type: str, body: bytes) -> Answer:
    """Return what an answer with status 200 says. Raises ExtensionError.

    What is no JSON becomes one inference of type `other`; no bytes at all are nothing found.
    """
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return _validated(_inferences_in(body))
    if not body:
        return Answer()
    described = {"contentType": content_type} if content_type else {}
    return Answer(({"type": "other", "other": {**described, "contentBytes": base64.b64encode(body).decode()}},))


def _inferences_in(body: bytes) -> list[Any]:
    try:
        document = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, a number of very many digits; nested too deep
        raise ExtensionError("The answer is not JSON as the protocol asks for.") from error
    inferences = document.get("inferences") if isinstance(document, Mapping) else None
    if not isinstance(inferences, list):
        raise ExtensionError('The answer is not an object with a list "inferences", as the protocol asks for.')
    return inferences


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _validated(inferences: list[Any]) -> Answer:
    valid = tuple(filter(_is_valid, inferences[:MAX_INFERENCES]))
    return Answer(valid, len(inferences) - len(valid))


def _is_valid(inference: object) -> bool:
    try:
        _INFERENCE.validate_python(inference)
        json.dumps(inference, ensure_ascii=False).encode()
    except ValueError:  # among them halves of surrogate pairs, which no event could carry
        return False
    return True
