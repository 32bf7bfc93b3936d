"""GET /status: what the console draws, from the same figures as /metrics."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.context import RequestRecord
from handlers.server.contract import read_contract
from handlers.server.metrics import REQUEST_BUCKETS_S, Metrics
from handlers.server.middleware.bytes_in_flight import BytesBudget
from handlers.server.parts import create_dataplane
from handlers.server.settings import Settings
from handlers.server.status import Status
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from tests.support.client import OPERATIONS
from tests.support.server import LiveServer, running, serving

FRAME = encode(board(7), "PNG")
NOTHING = encode(board(nothing=True), "PNG")
OPERATION_IDS = [operation["operationId"] for _, _, operation in OPERATIONS]
BODIES = {operation["operationId"]: operation.get("requestBody", {}).get("$ref", "") for _, _, operation in OPERATIONS}
TAKING_FRAMES = {name for name, body in BODIES.items() if body.endswith(("/Frame", "/Form"))}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(write_identity_model(tmp_path_factory.mktemp("repository"))) as server:
        yield server


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """The metrics of a service that has answered each operation once, with 200 after 3 ms."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    dataplane = create_dataplane(Settings(model_repository=folder.parent, default_model=folder.name))
    counted = Metrics(dataplane, BytesBudget(1, lambda: 1), None)
    for operation in OPERATION_IDS:
        counted.count(RequestRecord("", operation, 200, 3.0))
    return counted


def status(server: LiveServer) -> dict[str, Any]:
    record: dict[str, Any] = server.client.get("/status").json()
    return record


def test_answers_with_results_and_without_count_and_refusals_do_not(live: LiveServer) -> None:
    before = status(live)
    for body, code in ((FRAME, 200), (NOTHING, 204), (b"rubbish", 400)):
        assert live.client.post("/inference", content=body).status_code == code
    assert live.client.post("/annotate", content=FRAME).status_code == 200
    live.client.get("/models")
    after = status(live)
    assert after["framesAnswered"] - before["framesAnswered"] == 3
    assert after["requestDurations"][-1]["count"] - before["requestDurations"][-1]["count"] == 4
    assert (after["ready"], after["queueDepth"], after["framesRunning"]) == (True, 0, 0)
    assert "reason" not in after


def test_every_operation_that_takes_frames_counts_and_no_other(metrics: Metrics) -> None:
    assert set(read_contract().operations_with_frame.values()) == TAKING_FRAMES
    assert metrics.frames_answered(TAKING_FRAMES) == len(TAKING_FRAMES)
    assert metrics.frames_answered(set(OPERATION_IDS) - TAKING_FRAMES) == len(OPERATION_IDS) - len(TAKING_FRAMES)


def test_durations_are_a_cumulative_histogram_by_rising_bound(metrics: Metrics) -> None:
    buckets = metrics.request_durations(TAKING_FRAMES)
    assert [bucket.get("upToMs") for bucket in buckets] == [*(1000 * bound for bound in REQUEST_BUCKETS_S), None]
    assert [bucket["count"] for bucket in buckets] == [0, 0, *([len(TAKING_FRAMES)] * (len(buckets) - 2))]


def test_a_service_that_is_not_ready_says_why(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    (folder / "model.onnx").write_bytes(b"not a model")
    settings: dict[str, Any] = {"model_repository": tmp_path, "default_model": "identity", "on_broken_model": "wait"}
    with running(wait_until_ready=False, **settings) as server:
        record = status(server)
        refused = server.client.get("/health/ready")
        assert (record["ready"], refused.status_code) == (False, 503)
        assert record["reason"]


def test_the_reason_is_the_sentence_of_the_refusal(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    write_identity_model(tmp_path, "other")
    dataplane = create_dataplane(Settings(model_repository=tmp_path, default_model=folder.name))
    dataplane.engine.served.reject("other", "its weights are damaged.")
    counted = Metrics(dataplane, BytesBudget(1, lambda: 1), None)
    record = Status(dataplane.engine, counted, TAKING_FRAMES).as_record()
    assert (record["ready"], record["reason"]) == (
        False,
        "The model other cannot be served; the list of models and the log give the reason.",
    )
