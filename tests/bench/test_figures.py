"""The figures that the benchmarks compute from outcomes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import load
from bench.faults import fairness, integrity
from bench.harness.connection import Reply
from bench.harness.outcomes import Outcome, Run, Verdict, percentiles_ms
from bench.peers import pipeline
from lab.graphs import EDGE_UNIT
from lab.pictures import street_as
from tests.support.client import ROOT


def outcome(due_s: float, latency_s: float, verdict: Verdict = Verdict.RIGHT, stream: int = 0) -> Outcome:
    return Outcome(0, stream, verdict, due_s, latency_s, latency_s, retry_after=False)


def test_percentiles_are_of_what_was_measured() -> None:
    assert percentiles_ms([number / 1000 for number in range(101)]) == {"p50": 50, "p95": 95, "p99": 99, "p100": 100}
    assert percentiles_ms([]) == {}


def test_goodput_counts_right_answers_that_came_in_time() -> None:
    outcomes = [outcome(0, 0.5), outcome(1, 1.5), outcome(9, 2), outcome(5, 0.1, Verdict.REFUSED)]
    result = Run(outcomes, 0, seconds=10)
    assert result.goodput_per_s() == 0.2
    assert result.goodput_per_s(within_s=1) == 0.1


def test_a_greedy_stream_shows() -> None:
    outcomes = [outcome(0, 0.1, stream=stream) for stream in (0, 0, 0, 0, 1, 2, 2)]
    figures = fairness.figures(Run(outcomes, 0, seconds=1), streams=3, capacity_per_s=6)
    assert figures["of_share"] == [2, 0.5, 1]
    assert figures["most_to_least"] == 4


def test_arrivals_of_all_streams_come_in_order() -> None:
    shots = fairness.shots(streams=10, greed=10, capacity_per_s=1000, seconds=5)
    assert [shot.due_s for shot in shots] == sorted(shot.due_s for shot in shots)
    counts = [sum(shot.stream == stream for shot in shots) for stream in range(10)]
    assert counts[0] == pytest.approx(5000, rel=0.1)
    assert counts[1:] == [pytest.approx(500, rel=0.25)] * 9


def test_ratios_are_taken_within_a_round() -> None:
    def figures(value: float) -> dict[str, float]:
        return dict.fromkeys(load.RATIOS, value)

    rounds = [{"a": figures(a), "b": figures(b)} for a, b in [(1, 3), (10, 20), (100, 100)]]
    medians = load.summary("a", "b", rounds)
    assert set(medians["ratios"].values()) == {2}
    assert set(medians["figures"]["b"].values()) == {20}


def answer(number: int, status: int = 200, request_id: str | None = None) -> Reply:
    painted = integrity.painted(number)
    box = {"l": round((painted & 0xFFFF) * EDGE_UNIT, 6), "t": round((painted >> 16) * EDGE_UNIT, 6)}
    headers = {"x-ms-client-request-id": request_id or f"frame-{number}"}
    return Reply(status, headers, json.dumps({"inferences": [{"entity": {"box": box}}]}).encode())


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        pytest.param(answer(7), Verdict.RIGHT, id="its own"),
        pytest.param(answer(8, request_id="frame-7"), Verdict.MIXED_UP, id="another frame's box"),
        pytest.param(answer(7, request_id="frame-8"), Verdict.MIXED_UP, id="another frame's id"),
        pytest.param(answer(7, status=503), Verdict.REFUSED, id="busy"),
        pytest.param(answer(7, status=500), Verdict.OTHER, id="a failure"),
    ],
)
def test_identity_is_checked(reply: Reply, verdict: Verdict) -> None:
    assert integrity.check(7, reply) is verdict


def test_every_frame_carries_another_number() -> None:
    assert len({integrity.painted(number) for number in range(integrity.DISTINCT)}) == integrity.DISTINCT


def test_errors_in_a_log_are_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"level": "info"}\n{"level": "error"}\nTraceback (most recent call last):\n')
    assert len(integrity.error_lines(log)) == 2


def test_the_service_keeps_its_integrity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "WITHIN_S", 20)  # the machine may stand still
    assert integrity.main(["--frames", "500", "--load", "1", "--load", "4", "--side", "64"]) == 0


class PlantedSession:
    """Answers like a detector."""

    def __init__(self, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
        self.answer = [boxes[None], scores[None]]

    def run(self, names: list[str], feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        assert names == ["boxes", "scores"]
        assert feeds["images"].shape == (1, 3, 300, 300)
        assert feeds["images"].max() > 100
        return self.answer


def test_peers_do_the_same_work() -> None:
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.45], [0.5, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    scores = np.array([[0.9, 0.1], [0.8, 0.1], [0.1, 0.7], [0.4, 0.4]], np.float32)
    session: Any = PlantedSession(boxes, scores)
    found = pipeline.infer(session, ["cat", "dog"], street_as("JPEG"))["inferences"]
    assert [(entity["entity"]["tag"]["value"], entity["entity"]["box"]) for entity in found] == [
        ("cat", {"l": 0, "t": 0, "w": 0.5, "h": 0.5}),
        ("dog", {"l": 0.5, "t": 0, "w": 0.5, "h": 1}),
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "bench" / "peers").glob("*.py")), ids=lambda path: path.stem)
def test_peers_compile(path: Path) -> None:
    """Their frameworks are not installed where the tests run."""
    compile(path.read_text(encoding="utf-8"), path, "exec")
