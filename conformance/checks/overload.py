"""More frames at once than a server can answer: it refuses some, at once, and says when to come back."""

import statistics
from collections import Counter
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from conformance.asking.messages import Answer
from conformance.subject import Subject
from conformance.verdicts import DECIDED, PAGE, Check, Finding, doubtful, not_asked, passed, rfc, wrong

MOST = 3
SOON_S = 0.5
"""A refusal that takes no longer is not slow, even if answers are quicker."""
LATE_FRAMES = 5
"""An answer that comes so many frames of the client later is of no use."""
_KINDS = {"whole": passed, "zero": doubtful, "date": doubtful, "missing": doubtful, "wrong": wrong}
"""What is said of a Retry-After, by its kind, best first."""


def _ask_status(subject: Subject) -> Finding:
    if limited := _limited(subject):
        return limited
    burst = subject.burst
    answers = [each.answer for each in burst.outcomes if each.answer]
    broken = Counter(
        str(answer.status)
        for answer in answers
        if not answer.is_good and answer.status != HTTPStatus.SERVICE_UNAVAILABLE
    )
    if broken:
        return wrong(f"of {len(burst.outcomes)} frames at once {_most(broken)}")
    silent = Counter(each.failure for each in burst.outcomes if not each.answer)
    if silent:
        advice = "a server that cannot accept so many connections needs a longer backlog of its listening socket"
        return doubtful(f"of {len(burst.outcomes)} frames at once {_most(silent)}; {advice}")
    return passed(_counted(subject))


def _most(counts: Counter[str]) -> str:
    return "; ".join(f"{count}: {what}" for what, count in counts.most_common(MOST))


def _ask_sheds(subject: Subject) -> Finding:
    if limited := _limited(subject):
        return limited
    burst = subject.burst
    late_s = max(LATE_FRAMES * burst.alone_s, LATE_FRAMES / subject.rate_per_s)
    if burst.slowest_s > late_s:
        return doubtful(
            f"{_counted(subject)}; the slowest waited {burst.slowest_s:.2g} s, a frame alone {burst.alone_s:.2g} s"
        )
    return passed(f"{_counted(subject)}; the slowest waited {burst.slowest_s:.2g} s")


def _ask_retry_after(subject: Subject) -> Finding:
    if limited := _limited(subject):
        return limited
    refused = subject.burst.refused
    if not refused:
        return not_asked("no frame was refused")
    order = list(_KINDS)
    worst = max(refused, key=lambda answer: order.index(_kind(answer)))
    value, kind = worst.header("retry-after"), _kind(worst)
    return _KINDS[kind]("503 has no Retry-After" if value is None else f"Retry-After: {value[:40]}")


def _ask_speed(subject: Subject) -> Finding:
    if limited := _limited(subject):
        return limited
    burst = subject.burst
    if not burst.refused:
        return not_asked("no frame was refused")
    took_s = statistics.median(answer.duration_s for answer in burst.refused)
    found = f"a refusal took {took_s * 1000:.0f} ms"
    if burst.answered:
        found += f", an answer {statistics.median(each.waited_s for each in burst.answered) * 1000:.0f} ms"
    return wrong(found) if took_s > max(SOON_S, burst.alone_s) else passed(found)


def _limited(subject: Subject) -> Finding | None:
    """Return that nothing can be asked at once when the user has limited the rate."""
    rate = subject.server.limits.rate_per_s
    return not_asked(f"at most {rate:g} requests a second are allowed") if rate else None


def _counted(subject: Subject) -> str:
    burst = subject.burst
    return f"{len(burst.answered)} of {len(burst.outcomes)} frames at once were answered, {len(burst.refused)} refused"


def _kind(answer: Answer) -> str:
    value = answer.header("retry-after")
    if value is None:
        return "missing"
    if value.isascii() and value.isdigit():
        return "whole" if value.strip("0") else "zero"
    try:
        parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return "wrong"
    return "date"


CHECKS = (
    Check(
        "overload.status",
        "Of many frames at once, each is answered with 200, 204 or 503.",
        "The client backs off after 503; other errors look like a broken server.",
        PAGE,
        _ask_status,
    ),
    Check(
        "overload.sheds",
        "When too many frames come, some are refused, so that the others are answered in time.",
        "Where all wait in a queue, each answer is about a scene that has long changed.",
        DECIDED,
        _ask_sheds,
    ),
    Check(
        "overload.retry-after",
        "503 says in Retry-After after how many whole seconds to come back, at least one.",
        "Without it the client waits as long as it likes; a fraction is no valid value.",
        rfc(9110, "10.2.3"),
        _ask_retry_after,
    ),
    Check(
        "overload.speed",
        "A frame is refused at once, not after it has waited.",
        "A server that is slow to refuse holds its clients up when it is busiest.",
        DECIDED,
        _ask_speed,
    ),
)
