"""The five questions."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from conformance.asking.address import DEFAULT_TARGET
from conformance.asking.connection import CLOSED
from conformance.asking.credentials import NoCredentials, schemes
from conformance.asking.messages import Answer, Request
from conformance.asking.pacing import Pace, paced
from conformance.asking.server import Server
from conformance.doctor.dialects import DENIED, MAX_LABELS, Dialect, dialect_of, plain, product_of
from conformance.errors import ExhaustedError, NoAnswerError
from conformance.pictures.encoding import jpeg
from conformance.pictures.photos import Photo, shipped_photos
from conformance.telling import told

FRAMES = 10
LONGEST_S = 5
MAX_MISSED = 1
"""Of so many frames, at that rate for at most so long, one may be missed without a word."""
ANSWERS, SAYS, FAST, KEEPS_UP, CREDENTIALS = QUESTIONS = (
    "Does the server answer?",
    "Is it a server for frames, and does it find something?",
    "How fast is it?",
    "Does it keep up with my camera?",
    "Are my credentials right?",
)


class Judgement(StrEnum):
    """Whether an answer is what a user hopes for."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Opinion:
    """A question, the answer in a sentence, and what to do; "" if nothing is to be done."""

    question: str
    answer: str
    judgement: Judgement
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Patient:
    """A server that answers. `first`: to the first photo."""

    server: Server
    rate_per_s: float
    photos: tuple[Photo, ...]
    dialect: Dialect
    first: Answer

    def request(self, photo: Photo | None = None) -> Request:
        return self.dialect.request(self.server, jpeg((photo or self.photos[-1]).image))

    @property
    def is_denied(self) -> bool:
        return self.first.status in DENIED

    @property
    def fault(self) -> str:
        return self.dialect.read(self.first).fault


def examine(server: Server, rate_per_s: float = 5, photos: tuple[Photo, ...] | None = None) -> tuple[Opinion, ...]:
    """Return the answers to QUESTIONS, in order. `rate_per_s`: the frames that the user's camera sends a second.

    Sends some 40 frames. Raises nothing: a server that does not answer is an answer.
    """
    photos = photos or shipped_photos()
    try:
        dialect, first = dialect_of(server, jpeg(photos[0].image))
    except (NoAnswerError, ExhaustedError) as error:
        opinions = _silent(server, str(error))
    else:
        patient = _Patient(server, rate_per_s, photos, dialect, first)
        opinions = tuple(_opinion(patient, question, ask) for question, ask in _ASKED.items())
    return tuple(
        Opinion(each.question, told(each.answer, server.credentials), each.judgement, each.advice) for each in opinions
    )


def _silent(server: Server, reason: str) -> tuple[Opinion, ...]:
    is_advice = reason.endswith("?") or "--" in reason
    advice = "" if is_advice else "Is it started? Are host and port right, and does a firewall let them through?"
    if CLOSED in reason and server.address.scheme == "http":
        advice = f"Does it speak TLS? Then ask https://{server.address.authority}."
    first = Opinion(
        ANSWERS,
        f"{server.address.url} gives no answer: {reason}{'' if reason.endswith('?') else '.'}",
        Judgement.BAD,
        advice,
    )
    others = (Opinion(question, "It does not answer.", Judgement.UNKNOWN) for question in QUESTIONS[1:])
    return (first, *others)


def _opinion(patient: _Patient, question: str, ask: Callable[[_Patient], Opinion]) -> Opinion:
    if question not in {ANSWERS, CREDENTIALS} and patient.is_denied:
        return Opinion(question, "It asks for credentials first.", Judgement.UNKNOWN)
    if question not in {ANSWERS, SAYS} and patient.fault and not patient.is_denied:
        return Opinion(question, "It does not answer frames.", Judgement.UNKNOWN)
    try:
        return ask(patient)
    except NoAnswerError as error:
        return Opinion(question, f"It stopped answering: {error}.", Judgement.BAD, "See the server's own log.")
    except ExhaustedError as error:
        return Opinion(question, f"Not asked: {error}.", Judgement.UNKNOWN)


def _answers(patient: _Patient) -> Opinion:
    return Opinion(ANSWERS, f"Yes, at {patient.server.address.url}.", Judgement.GOOD)


def _says(patient: _Patient) -> Opinion:
    if patient.fault:
        return _faulty(patient)
    product = product_of(patient.server, patient.dialect, patient.first)
    kind = f"It speaks {patient.dialect.name}" + (f" ({product})" if product else "")
    labels: dict[str, None] = {}
    for photo in patient.photos:
        sight = patient.dialect.read(patient.server.ask(patient.request(photo)))
        if sight.fault:
            return Opinion(SAYS, f"{kind}, but not always: {sight.fault}.", Judgement.BAD, "See the server's own log.")
        labels |= dict.fromkeys(sight.labels)
    if not labels:
        advice = "Does its model look for people, cats, cups or cars? Is its least confidence too high?"
        return Opinion(SAYS, f"{kind}; it finds nothing in {len(patient.photos)} photos.", Judgement.UNKNOWN, advice)
    finds = f"in the photos it finds {', '.join(list(labels)[:MAX_LABELS])}"
    target = patient.request().target
    asked = patient.server.address.target
    if target not in {None, asked}:
        judgement = Judgement.GOOD if asked == DEFAULT_TARGET else Judgement.BAD
        return Opinion(SAYS, f"{kind}, but not at {asked}; {finds}.", judgement, f"Post frames to {target}.")
    return Opinion(SAYS, f"{kind}; {finds}.", Judgement.GOOD)


def _faulty(patient: _Patient) -> Opinion:
    """Return what is said of a server that does not answer a photo."""
    status, fault = patient.first.status, patient.fault
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        advice = "It is busy, or its model is not loaded yet: try again in a moment."
        return Opinion(SAYS, f"It cannot answer a photo now: {fault}.", Judgement.BAD, advice)
    if patient.dialect.read(patient.first).is_spoken or status == HTTPStatus.INTERNAL_SERVER_ERROR:
        advice = "See the server's own log. Is a model installed there?"
        return Opinion(SAYS, f"It does not answer a photo: {fault}.", Judgement.BAD, advice)
    advice = "Is the path right? Usual are /inference, /score and /v1/vision/detection."
    return Opinion(SAYS, f"No server for frames answers here: {fault}.", Judgement.BAD, advice)


def _fast(patient: _Patient) -> Opinion:
    request = patient.request()
    answers = [patient.server.ask(request) for _ in range(FRAMES)]
    bad = [answer for answer in answers if patient.dialect.read(answer).fault]
    if bad:
        answer = f"{len(bad)} of {FRAMES} frames are not answered: {patient.dialect.read(bad[0]).fault}."
        return Opinion(FAST, answer, Judgement.BAD, "Is another client using it? See the server's own log.")
    middle_s = statistics.median(answer.duration_s for answer in answers)
    found = f"An answer takes {_ms(middle_s)} (the middle one of {FRAMES}), for one frame at a time."
    return Opinion(FAST, found, Judgement.GOOD)


def _keeps_up(patient: _Patient) -> Opinion:
    server, rate = patient.server, patient.rate_per_s
    allowed = server.limits.rate_per_s
    if allowed and allowed < rate:
        return Opinion(KEEPS_UP, f"Not asked: at most {allowed:g} requests a second are allowed.", Judgement.UNKNOWN)
    pace = paced(server, patient.request(), rate, min(FRAMES, max(2, round(LONGEST_S * rate))))
    refused = sum(bool(patient.dialect.read(answer).fault) for answer in pace.answers)
    found = f"Of {pace.due} frames at {rate:g} a second"
    if refused > MAX_MISSED:
        advice = "Send fewer frames, or wait as long as Retry-After says; a faster server refuses less."
        return Opinion(KEEPS_UP, f"{found}, {refused} are refused.", Judgement.BAD, advice)
    if pace.dropped > MAX_MISSED:
        slow = statistics.median(answer.duration_s for answer in pace.answers)
        advice = f"Send at most {1 / slow:.2g} frames a second, or use a smaller model or a faster machine."
        answer = f"{found}, {pace.dropped} are dropped: they come due while another waits for its answer."
        return Opinion(KEEPS_UP, answer, Judgement.BAD, advice)
    return Opinion(KEEPS_UP, f"{found}, all are answered in time.", Judgement.GOOD, _for_the_impatient(patient, pace))


def _for_the_impatient(patient: _Patient, pace: Pace) -> str:
    """Return what to do for a client that waits less than this camera; "" if answers come in time for it, too."""
    client, patience_s = patient.dialect.client, patient.dialect.patience_s
    if patience_s is None:
        return ""
    slowest_s = max(answer.duration_s for answer in pace.answers)
    late = sum(answer.duration_s > patience_s for answer in pace.answers)
    if late <= MAX_MISSED:
        return ""
    return (
        f"If you use {client}: {late} of {len(pace.answers)} answers take longer than {patience_s:g} s, after which it "
        f"gives up. Set api_timeout of its detector to {max(0.2, 2 * slowest_s):.1f} or more."
    )


def _credentials(patient: _Patient) -> Opinion:
    offered = ", ".join(sorted(plain(name.capitalize()) for name in schemes(patient.first))) or "does not say which"
    if isinstance(patient.server.credentials, NoCredentials):
        if patient.is_denied:
            advice = "Give --user and --password-file, or --header-file."
            return Opinion(
                CREDENTIALS, f"It asks for credentials ({offered}), and none were given.", Judgement.BAD, advice
            )
        return Opinion(CREDENTIALS, "It asks for no credentials.", Judgement.GOOD)
    if patient.is_denied:
        advice = "Are user and password, or the token, those of this server? May they post frames?"
        return Opinion(
            CREDENTIALS, f"It refuses those that were given: {patient.first.status} ({offered}).", Judgement.BAD, advice
        )
    bare = patient.server.ask_once(patient.request())
    if bare.status in DENIED:
        return Opinion(CREDENTIALS, "It takes those that were given, and refuses frames without.", Judgement.GOOD)
    advice = "If it should ask for credentials, it is not set up so: anyone in the network may use it."
    return Opinion(CREDENTIALS, "It does not ask for any.", Judgement.GOOD, advice)


def _ms(duration_s: float) -> str:
    return f"{duration_s * 1000:.0f} ms"


_ASKED: dict[str, Callable[[_Patient], Opinion]] = {
    ANSWERS: _answers,
    SAYS: _says,
    FAST: _fast,
    KEEPS_UP: _keeps_up,
    CREDENTIALS: _credentials,
}
