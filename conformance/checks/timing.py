"""Whether a server is as fast as its client sends."""

import statistics

from conformance.asking.pacing import paced
from conformance.subject import Subject
from conformance.verdicts import DECIDED, Check, Finding, not_asked, passed, wrong

FRAMES, LONGEST_S = 8, 5
MAX_MISSED = 0.3
"""The share of frames that may be missed without a word: a server that is too slow misses half of them or more."""


def _ask_rate(subject: Subject) -> Finding:
    rate, allowed = subject.rate_per_s, subject.server.limits.rate_per_s
    if allowed and allowed < rate:
        return not_asked(f"at most {allowed:g} requests a second are allowed")
    count = min(FRAMES, max(2, round(LONGEST_S * rate)))
    pace = paced(subject.server, subject.request, rate, count)
    refused = sum(not answer.is_good for answer in pace.answers)
    took_ms = [answer.duration_s * 1000 for answer in pace.answers]
    found = (
        f"of {count} frames at {rate:g} a second {pace.dropped} were dropped, {refused} refused; "
        f"an answer takes {statistics.median(took_ms):.0f} ms, the slowest {max(took_ms):.0f} ms"
    )
    return wrong(found) if pace.dropped + refused > MAX_MISSED * count else passed(found)


CHECKS = (
    Check(
        "timing.rate",
        "The server keeps up with a client that sends frames at its rate, one in flight.",
        "The client drops each frame that comes due before the answer to the one before.",
        DECIDED,
        _ask_rate,
    ),
)
