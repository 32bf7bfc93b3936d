"""Reloads, bad versions, twice the load the service can bear, and kill -9, all at once, for a short time."""

import numpy as np
import pytest

from bench.faults import reloads
from bench.faults.reloads import Findings, judge, measure, version_in
from bench.harness.outcomes import Outcome, Run, Verdict


def answer(label: str, confidence: float) -> bytes:
    text = f'{{"inferences":[{{"entity":{{"tag":{{"value":"{label}","confidence":{confidence}}}}}}}]}}'
    return text.encode()


def outcome(verdict: Verdict, due_s: float) -> Outcome:
    return Outcome(0, 0, verdict, due_s, 0.01, 0.01, retry_after=False)


def test_every_answer_is_right_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m bench.faults.reloads` does the same for five minutes. On a busy machine a start takes long."""
    monkeypatch.setattr(reloads, "LAST_S", 22.0)
    figures, faults = measure(seconds=30, load=2, kill_every_s=6)
    assert faults == []
    assert figures["kills"] >= 1
    assert figures["counts"]["right"] > 0
    assert figures["flips"].get("good 200", 0) > 0
    assert figures["flips"].get("bad 422", 0) > 0


def test_a_mixture_of_versions_is_noticed() -> None:
    assert version_in(answer("one", 0.9)) == "one"
    assert version_in(answer("two", 0.8)) == "two"
    assert version_in(answer("one", 0.8)) is None


def test_faults_are_reported() -> None:
    run = Run([outcome(Verdict.RIGHT, 1), outcome(Verdict.LOST, 2), outcome(Verdict.MIXED_UP, 3)], 0, 9)
    figures, faults = judge(run, Findings(wrong=["reload of one: 500"]), [8.0], ["{}"])
    assert faults == [
        "mixed up: 1", "no right answer after a kill", "1 frames lost while it served",
        "1 errors in the log, such as {}", "reload of one: 500",
    ]  # fmt: skip
    assert figures["back_s"] == [np.inf]


def test_frames_may_be_lost_while_it_is_away() -> None:
    run = Run([outcome(Verdict.RIGHT, 1), outcome(Verdict.LOST, 2), outcome(Verdict.RIGHT, 3)], 0, 9)
    figures, faults = judge(run, Findings(), [1.9], [])
    assert (figures["back_s"], faults) == ([1.11], [])
