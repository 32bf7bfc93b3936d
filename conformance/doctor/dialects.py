"""The two dialects that cameras' clients speak, and which of them a server understands."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from conformance.asking.address import DEFAULT_TARGET
from conformance.asking.messages import Answer, Request
from conformance.asking.server import Server
from conformance.inferences import document, found, inferences

DEEPSTACK_PATH = "/v1/vision/"
DEEPSTACK_TARGET = "/v1/vision/detection"
USUAL_TARGETS = (DEFAULT_TARGET, "/score")
"""Where extension servers take frames: in the protocol's example, and in Microsoft's samples."""
STATUS_TARGET = "/v1/status/updateavailable"
BOUNDARY = "framehook-doctor-7d1f0c52"
MAX_LABELS, MAX_TEXT = 5, 120
DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Sight:
    """What an answer says. `labels`: the most confident first, each once. `fault`: why it is no good answer.

    `is_spoken`: whether the answer is one of the dialect, good or not.
    """

    labels: tuple[str, ...] = ()
    fault: str = ""
    is_spoken: bool = True


@dataclass(frozen=True, slots=True)
class Dialect:
    """How frames are posted, and how answers are read. `patience_s`: the time after which `client` gives up."""

    name: str
    request: Callable[[Server, bytes], Request]
    read: Callable[[Answer], Sight]
    client: str = ""
    patience_s: float | None = None


def dialect_of(server: Server, frame: bytes) -> tuple[Dialect, Answer]:
    """Return the dialect that a server understands and what it answered to a frame. Raises NoAnswerError.

    Asked are the path of the address, in the dialect that such a path has, then the usual paths. If none is understood,
    it is the first of these.
    """
    tried: list[tuple[Dialect, Answer]] = []
    for dialect in _candidates(server.address.target):
        answer = server.ask(dialect.request(server, frame))
        tried.append((dialect, answer))
        if answer.status in DENIED or (answer.status != HTTPStatus.NOT_FOUND and dialect.read(answer).is_spoken):
            return tried[-1]
    return tried[0]


def _candidates(target: str) -> tuple[Dialect, ...]:
    usual = tuple(_extension_at(path) for path in USUAL_TARGETS if path != target)
    return (DEEPSTACK, *usual) if target.startswith(DEEPSTACK_PATH) else (EXTENSION, *usual, DEEPSTACK)


def product_of(server: Server, dialect: Dialect, answer: Answer) -> str:
    """Return which server it is as far as its answers tell; "" if they do not. Raises NoAnswerError."""
    if dialect is DEEPSTACK:
        status = server.ask(Request(method="GET", target=STATUS_TARGET))
        if "framehook" in str(_object(status).get("message", "")):
            return "framehook"
        members = _object(answer).keys()
        if {"moduleId", "analysisRoundTripMs"} <= members:
            return "CodeProject.AI"
        if members <= {"success", "predictions", "duration", "error"}:
            return "as DeepStack itself does"
    return plain(answer.header("server") or "")


def plain(text: str) -> str:
    """Return a server's text as it may be shown: short, and without what moves the cursor of a terminal."""
    short = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
    return "".join(letter if letter.isprintable() else " " for letter in short)


def _extension_request(_: Server, frame: bytes) -> Request:
    return Request(frame, (("Content-Type", "image/jpeg"),))


def _read_extension(answer: Answer) -> Sight:
    if answer.status == HTTPStatus.NO_CONTENT:
        return Sight()
    if answer.status != HTTPStatus.OK:
        return Sight(fault=f"it answers {answer.summary}", is_spoken=answer.status == HTTPStatus.SERVICE_UNAVAILABLE)
    try:
        content = document(answer)
    except ValueError:
        return Sight(fault=f"its answer is no JSON ({answer.summary})", is_spoken=False)
    if not isinstance(content, dict) or not isinstance(content.get("inferences"), list):
        return Sight(fault="its answer has no list of inferences", is_spoken=False)
    tags = [each.get("classification") for each in inferences(answer)]
    classes = [
        str(tag["tag"].get("value")) for tag in tags if isinstance(tag, dict) and isinstance(tag.get("tag"), dict)
    ]
    return Sight(_labels([each.label for each in found(answer)] + classes))


def _deepstack_request(server: Server, frame: bytes) -> Request:
    target = server.address.target
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="frame.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return Request(
        head.encode() + frame + f"\r\n--{BOUNDARY}--\r\n".encode(),
        (("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"),),
        target=target if target.startswith(DEEPSTACK_PATH) else DEEPSTACK_TARGET,
    )


def _read_deepstack(answer: Answer) -> Sight:
    content = _object(answer)
    if not content.get("success"):
        error = content.get("error")
        said = f" and says: {plain(str(error)).rstrip('.')}" if error else ""
        return Sight(fault=f"it answers {answer.summary}{said}", is_spoken="success" in content)
    if answer.status != HTTPStatus.OK:
        return Sight(fault=f"it answers {answer.summary}")
    listed = content.get("predictions", [])
    if "predictions" not in content and "label" in content:
        listed = [content]
    if not isinstance(listed, list):
        return Sight(fault="its answer has no list of predictions")
    return Sight(
        _labels([str(each.get("label") or each.get("userid") or "") for each in listed if isinstance(each, dict)])
    )


def _object(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one if it has none."""
    try:
        content = document(answer)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _labels(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plain(name) for name in names if name))[:MAX_LABELS]


def _extension_at(target: str) -> Dialect:
    """Return the dialect of extension servers, for frames that are posted to another path than that of the address."""

    def request(server: Server, frame: bytes) -> Request:
        return replace(_extension_request(server, frame), target=target)

    return replace(EXTENSION, request=request)


EXTENSION = Dialect("HTTP extension", _extension_request, _read_extension)
DEEPSTACK = Dialect("DeepStack / CodeProject.AI", _deepstack_request, _read_deepstack, client="Frigate", patience_s=0.1)
