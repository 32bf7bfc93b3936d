"""What answers with results must look like, and that they belong to their frames.

The published schema is asked once; its errors are sorted into checks by the schema's keyword, so that a mistake shows
up in the check that names it.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from conformance.asking.messages import Answer
from conformance.inferences import MAX_DOCUMENT_BYTES, document, inferences
from conformance.likeness import Tolerance, difference, items
from conformance.pictures.encoding import jpeg, plain
from conformance.pictures.photos import SIDE_PX
from conformance.published import PAYLOADS, Violation, shown
from conformance.subject import Subject
from conformance.verdicts import DECIDED, PAGE, SCHEMA, Check, Finding, cannot_tell, passed, wrong

JSON = "application/json"
NOTHING = "the server found nothing in any photo"
PIXELS = 2
"""No share is larger; a larger number in a box is of pixels."""


class Rule(NamedTuple):
    """A check whose answer is in the schema's errors. `keywords`: of the schema; `types`: those expected, if `type`."""

    name: str
    sentence: str
    why: str
    keywords: tuple[str, ...]
    types: tuple[str, ...] = ()

    def covers(self, violation: Violation) -> bool:
        """Return whether an error of the schema belongs to this check; those of the whole document do not."""
        if violation.keyword not in self.keywords or violation.place == "the document":
            return False
        if violation.keyword == "oneOf":  # what is no object has a wrong type
            return isinstance(violation.value, dict)
        return violation.keyword != "type" or violation.expected in self.types


RULES = (
    Rule(
        "type",
        f"The type of an inference is one of {', '.join(PAYLOADS)}.",
        "Nodes behind the extension select inferences by their type and do not know another one.",
        ("enum",),
    ),
    Rule(
        "payload-present",
        "Each inference has a type and exactly one payload.",
        "Without it there is nothing to read.",
        ("oneOf",),
    ),
    Rule(
        "required", "Payloads have all members that the schema requires.", "Clients read them blindly.", ("required",)
    ),
    Rule(
        "numbers",
        "Confidences and edges of boxes are JSON numbers.",
        "Numbers in quotes are no numbers: comparing them with a threshold fails, or compares letters.",
        ("type",),
        ("number", "integer"),
    ),
    Rule(
        "strings",
        "Labels, names, identifiers and the values of attributes and extensions are strings.",
        "Clients with typed models refuse the whole answer because of one value.",
        ("type",),
        ("string",),
    ),
    Rule(
        "structure",
        "Lists are lists and objects are objects where the schema says so.",
        "Clients walk over the list of inferences; they find nothing if it is something else.",
        ("type",),
        ("array", "object"),
    ),
    Rule(
        "ranges",
        "Confidences and edges of boxes are between 0 and 1.",
        "Clients multiply edges by the size of the frame; pixels, percentages and overhanging boxes come out wrong.",
        ("minimum", "maximum"),
    ),
    Rule(
        "members",
        "Payloads have no members that the schema does not know.",
        "Clients that check answers with the schema refuse them.",
        ("additionalProperties",),
    ),
    Rule("subtype", "A subtype has no blanks around it and is not empty.", "The schema forbids it.", ("pattern",)),
)


def _ask_rule(rule: Rule, subject: Subject) -> Finding:
    if not subject.results:
        return cannot_tell(NOTHING)
    found = [(name, each) for name, each in subject.violations if rule.covers(each)]
    if not found and not any(map(inferences, subject.results.values())):
        return cannot_tell("no answer has a list with an inference")
    if not found:
        return passed(f"{_count(len(subject.results), 'answer')} looked at")
    name, first = found[0]
    photos = len({photo for photo, _ in found})
    return wrong(f"{_said(first)} (photo {name}); so in {photos} of {_count(len(subject.results), 'answer')}")


def _said(violation: Violation) -> str:
    """Return what is wrong, in words."""
    if violation.keyword == "required":
        return f"{violation.place} lacks {', '.join(violation.value)}"
    if violation.keyword == "additionalProperties":
        return f"{violation.place} has {', '.join(shown(name) for name in violation.value[:3])}"
    if violation.keyword == "oneOf":
        return f"{violation.place} has no type, or not exactly one payload: {shown(violation.value)}"
    looks = "; this looks like pixels" if ".box." in violation.place and _is_large(violation.value) else ""
    return f"{violation}{looks}"


def _is_large(value: object) -> bool:
    return isinstance(value, int | float) and value > PIXELS


def _of_all(subject: Subject, fault: Callable[[Answer], str]) -> Finding:
    """Return what is wrong with the first answer that has a fault; `fault` says it, or "" if there is none."""
    if not subject.results:
        return cannot_tell(NOTHING)
    faults = {name: said for name, answer in subject.results.items() if (said := fault(answer))}
    if not faults:
        return passed(f"{_count(len(subject.results), 'answer')} looked at")
    name, said = next(iter(faults.items()))
    return wrong(f"{said} (photo {name}); so in {len(faults)} of {_count(len(subject.results), 'answer')}")


def _ask_media_type(subject: Subject) -> Finding:
    return _of_all(subject, lambda answer: "" if answer.media_type == JSON else f"it is {_named(answer.media_type)}")


def _ask_charset(subject: Subject) -> Finding:
    return _of_all(subject, _charset_fault)


def _charset_fault(answer: Answer) -> str:
    return f"it is {shown(answer.header('content-type'))}" if answer.has_parameters else ""


def _ask_json(subject: Subject) -> Finding:
    small = [answer for answer in subject.results.values() if len(answer.body) <= MAX_DOCUMENT_BYTES]
    if subject.results and not small:
        return cannot_tell(f"no answer has less than {MAX_DOCUMENT_BYTES:,} bytes; larger ones are not looked at")
    return _of_all(subject, lambda answer: _json_fault(answer) if answer in small else "")


def _json_fault(answer: Answer) -> str:
    try:
        document(answer)
    except UnicodeDecodeError:
        return "the body is not UTF-8"
    except ValueError as error:
        return f"the body is no JSON: {shown(str(error))[1:-1]}"
    return ""


def _ask_single(subject: Subject) -> Finding:
    return _of_all(subject, _single_fault)


def _single_fault(answer: Answer) -> str:
    try:
        content = document(answer)
    except ValueError:
        return ""
    if not isinstance(content, dict):
        return f"the document is {shown(content)}"
    names = list(content)
    return "" if names == ["inferences"] else f"its members are {shown(names)}"


def _ask_payload(subject: Subject) -> Finding:
    return _of_all(subject, _payload_fault)


def _payload_fault(answer: Answer) -> str:
    for index, inference in enumerate(inferences(answer)):
        kind, payloads = inference.get("type"), [name for name in PAYLOADS if name in inference]
        if kind in PAYLOADS and payloads and payloads != [kind]:
            return f"inferences[{index}] has the type {kind} and the payload {', '.join(payloads)}"
    return ""


def _ask_steady(subject: Subject) -> Finding:
    frame = subject.frame
    _, first, second = (subject.server.post(frame) for _ in range(3))
    if not first.is_good:
        return wrong(f"answered {first.summary}")
    if not items(first) and not items(second):
        return cannot_tell("the server found nothing that can be compared")
    changed = difference(first, second)
    return wrong(f"the same frame was posted twice, and {changed}") if changed else passed()


def _ask_own_frame(subject: Subject) -> Finding:
    blank = jpeg(plain((SIDE_PX, SIDE_PX)))
    _, shown_first, after_it, empty, again, _ = (
        subject.server.post(body) for body in (subject.frame, subject.frame, blank, blank, subject.frame, subject.frame)
    )
    if not _differs(shown_first, empty):
        return cannot_tell("the server answers the same to a photo and to a plain grey picture")
    if _differs(after_it, empty) and not _differs(after_it, shown_first):
        return wrong("a plain picture after a photo got the photo's answer")
    if _differs(again, shown_first) and not _differs(again, empty):
        return wrong("a photo after a plain picture got the plain picture's answer")
    return passed()


def _differs(answer: Answer, other: Answer) -> bool:
    return answer.status != other.status or bool(difference(answer, other, Tolerance(iou=0.5, confidence=0.2)))


def _named(media_type: str) -> str:
    return shown(media_type) if media_type else "missing"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _rules() -> Iterable[Check]:
    for rule in RULES:
        ask = partial(_ask_rule, rule)
        yield Check(f"answers.{rule.name}", rule.sentence, rule.why, SCHEMA, ask, after=("answers.json",))


CHECKS = (
    Check(
        "answers.media-type",
        "Answers with results have the media type application/json.",
        "The client forwards any other type as opaque base64, and nobody downstream can read it.",
        PAGE,
        _ask_media_type,
    ),
    Check(
        "answers.charset",
        "The media type of answers has no parameters.",
        "JSON is UTF-8 by definition, and a client may compare the whole header with application/json.",
        DECIDED,
        _ask_charset,
        after=("answers.media-type",),
    ),
    Check(
        "answers.json",
        "Answers with results are JSON in UTF-8, without NaN and Infinity.",
        "Strict parsers refuse the whole answer.",
        PAGE,
        _ask_json,
    ),
    Check(
        "answers.single",
        "The document is an object with the single member inferences.",
        "The protocol says so; further members are lost or refused on the way.",
        PAGE,
        _ask_single,
        after=("answers.json",),
    ),
    *_rules(),
    Check(
        "answers.payload",
        "The type of an inference names the payload that it has.",
        "Clients read the member that the type names, and find nothing.",
        DECIDED,
        _ask_payload,
        after=("answers.json", "answers.type", "answers.payload-present"),
    ),
    Check(
        "answers.steady",
        "The same frame gets the same results each time.",
        "Rules with thresholds flicker, and nothing else can be compared.",
        DECIDED,
        _ask_steady,
    ),
    Check(
        "answers.own-frame",
        "Each frame gets its own results, not those of the frame before.",
        "Boxes lag behind, and with two cameras one gets the other's.",
        DECIDED,
        _ask_own_frame,
        after=("answers.steady",),
    ),
)
