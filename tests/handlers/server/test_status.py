"""GET /status: what the console draws, from the same figures as /metrics."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handlers.context import RequestRecord
from handlers.server.contract import read_contract
from handlers.server.metrics import REQUEST_BUCKETS_S, Metrics
from handlers.server.middleware.bytes_in_flight import BytesBudget
from handlers.server.middleware.logs import MAX_LOGGED_PATH
from handlers.server.middleware.problems import HUNG_UP
from handlers.server.parts import create_dataplane
from handlers.server.refusals import HUNG_UP_DETAIL, MAX_REFUSALS, Refusals
from handlers.server.settings import Settings
from handlers.server.status import Status
from handlers.streams.live_view import LiveStreams
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from models.scheduling.lanes import Lanes
from tests.support.client import OPERATIONS
from tests.support.server import LiveServer, running, serving

FRAME = encode(board(7), "PNG")
NOTHING = encode(board(nothing=True), "PNG")
LASTING = encode(board(7, work=2), "PNG")
"""Takes milliseconds, the unit in which the load is told, on any machine."""
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
    assert read_contract().frame_operations == TAKING_FRAMES
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


def test_each_model_has_its_load(live: LiveServer) -> None:
    before = loads(live)
    for _ in range(3):
        assert live.client.post("/inference", content=LASTING).status_code == 200
    assert live.client.post("/inference", content=b"rubbish").status_code == 400
    after = loads(live)
    assert after["identity"]["framesAnswered"] - before.get("identity", {"framesAnswered": 0})["framesAnswered"] == 3
    assert after["identity"]["busyS"] > before.get("identity", {"busyS": 0})["busyS"]


def loads(server: LiveServer) -> dict[str, Any]:
    return {load["name"]: load for load in status(server)["models"]}


def test_the_last_refusals_have_their_sentences(live: LiveServer) -> None:
    """Equal ones are one record, the newest comes first; what brings no frame is not among them."""
    for _ in range(2):
        live.client.post("/inference", content=b"rubbish", params={"stream": "@gate"})
    live.client.post("/inference?confidence=2", content=FRAME)
    live.client.get("/models/nope")
    live.client.post("/inferense", content=FRAME)
    newest = live.client.get("/refusals").json()["refusals"][:3]
    assert [(each["status"], each["problem"], each["count"], each["path"], each.get("stream")) for each in newest] == [
        (404, "not-found", 1, "/inferense", None),
        (400, "invalid-parameter", 1, "/inference", None),
        (400, "undecodable-frame", 2, "/inference", "@gate"),
    ]
    assert "out of range" in newest[1]["detail"]


class TestRefusals:
    def test_their_number_is_bounded(self) -> None:
        refusals = Refusals({"infer"}, streams())
        for number in range(2 * MAX_REFUSALS):
            refusals.count(refused(detail=str(number)), "/inference")
        assert [each["detail"] for each in refusals.as_records()] == [
            str(number) for number in reversed(range(MAX_REFUSALS, 2 * MAX_REFUSALS))
        ]

    def test_a_path_is_cut(self) -> None:
        refusals = Refusals({"infer"}, streams())
        refusals.count(refused(), "/" + 9999 * "x")
        assert len(refusals.as_records()[0]["path"]) == MAX_LOGGED_PATH

    def test_a_client_that_hangs_up_has_a_sentence(self) -> None:
        refusals = Refusals({"infer"}, streams())
        refusals.count(refused(problem=HUNG_UP, detail=None), "/inference")
        assert refusals.as_records()[0]["detail"] == HUNG_UP_DETAIL


@pytest.mark.parametrize(
    ("code", "peer", "credential", "counted"),
    [
        (400, None, None, 1),
        (503, None, None, 1),
        (413, "192.0.2.1", "gate", 1),
        (403, "192.0.2.1", "gate", 0),
        *((code, "192.0.2.1", None, 0) for code in (400, 401, 408, 413, 503)),
    ],
)
def test_frames_that_nobody_may_send_are_not_the_streams(
    code: int, peer: str | None, credential: str | None, counted: int
) -> None:
    listed = streams("gate")
    record = replace(refused(code, stream="gate"), peer=peer, credential=credential)
    Refusals({"infer"}, listed).count(record, "/inference")
    assert listed.listed()[0].refused == counted


def test_a_flood_of_one_kind_drives_out_no_other() -> None:
    """Anybody can make up paths, and names of streams."""
    refusals = Refusals({"infer"}, streams())
    refusals.count(refused(), "/inference")
    for number in range(3 * MAX_REFUSALS):
        refusals.count(refused(404, "not-found"), f"/{number}")
    for number in range(3 * MAX_REFUSALS):
        refusals.count(refused(401, "unauthorized", stream=str(number)), "/inference")
    kept = Counter(each["problem"] for each in refusals.as_records())
    assert (kept["undecodable-frame"], kept.total()) == (1, MAX_REFUSALS)


def refused(
    code: int = 400, problem: str = "undecodable-frame", detail: str | None = "No.", stream: str = ""
) -> RequestRecord:
    return RequestRecord("", "infer", code, problem=problem, detail=detail, stream=stream)


def streams(*names: str) -> LiveStreams:
    """Return streams of these names, of which one frame was answered."""
    known = LiveStreams(1, Lanes(1, 1, 1))
    for name in names:
        known.record_frame(name, "identity", (64, 48))
    return known
