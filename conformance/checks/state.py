"""What a server may remember from one request to the next, and what it must not."""

import secrets
from urllib.parse import urlencode

from conformance.asking.messages import Answer
from conformance.inferences import Found, found
from conformance.likeness import Tolerance, difference, items
from conformance.pictures.encoding import jpeg, plain
from conformance.pictures.photos import SIDE_PX
from conformance.subject import Subject
from conformance.verdicts import DECIDED, PAGE, Check, Finding, cannot_tell, not_asked, passed, wrong

STRICT = "0.99"
ROUNDING = 1e-3
NEARLY = Tolerance(iou=0.5, confidence=0.2)
NOTHING = "the server found nothing that can be compared"


def _ask_id(subject: Subject) -> Finding:
    answer = subject.server.post(subject.frame, query=f"id={_new_id()}")
    return passed() if answer.is_good else wrong(f"with ?id= in the URL it answered {answer.summary}")


def _ask_same(subject: Subject) -> Finding:
    without = subject.server.post(subject.frame)
    if not items(without):
        return cannot_tell(NOTHING)
    changed = difference(without, subject.server.post(subject.frame, query=f"id={_new_id()}"), NEARLY)
    return wrong(f"in the first frame with a new ?id=, {changed}") if changed else passed()


def _ask_apart(subject: Subject) -> Finding:
    blank, first, second = jpeg(plain((SIDE_PX, SIDE_PX))), f"id={_new_id()}", f"id={_new_id()}"
    usual = subject.server.post(blank)
    seen = [subject.server.post(subject.frame, query=first) for _ in range(2)][-1]
    other = subject.server.post(blank, query=second)
    if not items(seen) or not difference(usual, seen, NEARLY):
        return cannot_tell(NOTHING)
    if difference(usual, other, NEARLY) and not difference(seen, other, NEARLY):
        return wrong("a plain picture with one id got what a photo with another id had shown")
    return passed()


def _ask_options(subject: Subject) -> Finding:
    before = subject.server.post(subject.frame)
    if not items(before):
        return cannot_tell(NOTHING)
    chosen = items(before)[-1]
    subject.server.post(subject.frame, query=_options(chosen.label, STRICT))
    after = subject.server.post(subject.frame)
    changed = difference(before, after)
    return wrong(f"after one request with ?object= and &confidence={STRICT}, {changed}") if changed else passed()


def _ask_confidence(subject: Subject) -> Finding:
    plainly = found(subject.server.post(subject.frame))
    weakest = plainly[-1] if plainly else None
    if weakest is None or not 0 < weakest.confidence < 1:
        return cannot_tell("the server found no object with a confidence between 0 and 1")
    least = _above(plainly)
    both = subject.server.post(subject.frame, query=_options(weakest.label, least))
    if not both.is_good or _has(both, weakest):
        return not_asked("the server knows no ?object= with &confidence=")
    alone = subject.server.post(subject.frame, query=f"confidence={least}")
    if not alone.is_good:
        return wrong(f"with ?confidence={least} alone it answered {alone.summary}")
    if _has(alone, weakest):
        return wrong(f"with ?confidence={least} alone it still found {weakest.label} of {weakest.confidence:.3f}")
    return passed()


def _above(objects: tuple[Found, ...]) -> str:
    """Return a confidence that the least confident object does not reach, and others do if there are any."""
    weakest = objects[-1].confidence
    higher = [each.confidence for each in objects if each.confidence > weakest]
    return f"{(weakest + min(min(higher, default=1.0), 1.0)) / 2:.6f}"


def _has(answer: Answer, wanted: Found) -> bool:
    return any(
        each.label == wanted.label and abs(each.confidence - wanted.confidence) <= ROUNDING for each in found(answer)
    )


def _options(label: str, confidence: str) -> str:
    return urlencode({"object": label, "confidence": confidence})


def _new_id() -> str:
    return f"conform-{secrets.token_hex(4)}"


CHECKS = (
    Check(
        "state.id",
        "A query parameter of the user's own, as ?id=1, is accepted.",
        "It is the documented way to tell a server which camera a frame is from.",
        PAGE,
        _ask_id,
    ),
    Check(
        "state.same",
        "The first frame with a new id gets the results that it gets without an id.",
        "Users who tell cameras apart lose the first results of each.",
        DECIDED,
        _ask_same,
        after=("state.id", "answers.own-frame"),
    ),
    Check(
        "state.apart",
        "What frames with one id showed is not answered to those with another id.",
        "One camera gets the events of another.",
        DECIDED,
        _ask_apart,
        after=("state.id", "answers.own-frame"),
    ),
    Check(
        "state.options",
        "The options of one request do not change the answers to others.",
        "The first client's filter decides what all others get.",
        DECIDED,
        _ask_options,
        after=("answers.own-frame",),
    ),
    Check(
        "state.confidence",
        "A server that knows object with confidence also knows confidence alone.",
        "Users set a threshold, and it has no effect, without a word.",
        DECIDED,
        _ask_confidence,
        after=("state.options",),
    ),
)
