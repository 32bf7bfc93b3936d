"""The metrics: they are documented and true, and clients cannot create new series."""

import json
import re
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import onnxruntime
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from handlers.server.contract import read_contract
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from models.errors import SHED_REASONS
from tests.support.client import ROOT
from tests.support.credentials import AUTHORIZED, RELOADABLE
from tests.support.metrics import samples
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S

FRAME = encode(board(7), "PNG")
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "framehook.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
USUAL = ("process_", "python_info")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service that has seen one frame of each kind, and a bad version of its model."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    streams = tmp_path_factory.mktemp("streams")
    (streams / "yard.yaml").write_text("motion: {}\n")
    with serving(folder, max_pixels=100_000, streams=streams, **RELOADABLE, watch_models=False) as server:
        server.client.post("/inference?stream=yard", content=FRAME)
        for body in (FRAME[:40], b"\xff\xd8 no", b"BM no", b"rubbish", encode(board().resize((999, 999)), "PNG")):
            assert server.client.post("/inference", content=body).status_code in {400, 413}
        raw = server.client.post(
            "/score?width=9&height=9&pixelFormat=rgb24", content=FRAME, headers={"Content-Type": "image/x-raw"}
        )
        assert raw.status_code == 400
        folder.joinpath("model.onnx").write_bytes(b"not a model")
        assert server.client.post("/models/identity/reload", headers=AUTHORIZED).status_code == 422
        yield server


def documented() -> dict[str, tuple[str, list[str]]]:
    """Return kind and labels of the metrics that docs/metrics.md lists."""
    rows = re.findall(
        r"^\| `(framehook_\w+)` \| (\w+) \| (.*?) ?\|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE
    )
    return {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}


def test_what_is_documented_is_what_is_served(live: LiveServer) -> None:
    served = {}
    for family in text_string_to_metric_families(live.client.get("/metrics").text):
        if family.name.startswith(USUAL) or family.name.endswith("_created"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        served[name] = (family.type, sorted({label for sample in family.samples for label in sample.labels} - {"le"}))
    assert served == {name: (kind, sorted(labels)) for name, (kind, labels) in documented().items()}


def test_every_reason_to_shed_is_documented_and_served_from_the_start(live: LiveServer) -> None:
    [row] = [row for row in (ROOT / "docs" / "metrics.md").read_text().splitlines() if "`framehook_shed_total`" in row]
    assert set(SHED_REASONS) <= set(re.findall(r"`(\w+)`", row))
    assert {labels[1] for labels in samples(live) if labels[0] == "framehook_shed_total"} == set(SHED_REASONS)


def test_the_figures_are_true(live: LiveServer) -> None:
    before = samples(live)
    started_at = time.perf_counter()
    live.client.post("/inference", content=FRAME)
    live.client.post("/inference", content=encode(board(nothing=True), "PNG"))
    took_s = time.perf_counter() - started_at
    live.client.post("/inference/nope", content=FRAME)
    live.client.get("/nope")
    after = samples(live)
    grown = {name: value - before.get(name, 0) for name, value in after.items() if name[0].startswith("framehook_")}
    assert grown["framehook_requests_total", "200", "infer"] == 1
    assert grown["framehook_requests_total", "204", "infer"] == 1
    assert grown["framehook_requests_total", "404", "infer_model"] == 1
    assert grown["framehook_requests_total", "404", "none"] == 1
    assert grown["framehook_requests_total", "200", "get_metrics"] == 1
    assert grown["framehook_detections_total", "identity"] == 1
    stages = ("read", "queue", "decode", "preprocess", "run", "postprocess", "encode")
    assert all(grown["framehook_stage_duration_seconds_count", "identity", stage] == 2 for stage in stages)
    stages_s = sum(grown["framehook_stage_duration_seconds_sum", "identity", stage] for stage in stages)
    assert grown["framehook_request_duration_seconds_count", "infer"] == 2
    assert 0 < stages_s < took_s
    assert after["framehook_ready",] == 1
    assert [value for name, value in after.items() if name[0] == "framehook_model_info"] == [1]


def test_refused_frames_are_counted_by_what_they_are(live: LiveServer) -> None:
    rejected = {
        labels[1:]: value for labels, value in samples(live).items() if labels[0] == "framehook_decode_rejected_total"
    }
    assert rejected == {
        ("png", "undecodable-frame"): 1,
        ("jpeg", "undecodable-frame"): 1,
        ("bmp", "undecodable-frame"): 1,
        ("unknown", "undecodable-frame"): 1,
        ("png", "too-many-pixels"): 1,
        ("raw", "raw-frame-mismatch"): 1,
    }


def test_callers_make_no_series(live: LiveServer) -> None:
    """Paths, models, streams, methods and request ids of any kind: only a new status creates a series."""

    def post_all(first: int) -> set[tuple[str, ...]]:
        for number in range(first, first + 50):
            live.client.post(f"/inference?stream=cam-{number}", content=FRAME)
            live.client.post(f"/inference/model-{number}", content=FRAME)
            live.client.get(f"/path-{number}")
            httpx.request(f"METHOD{number}", live.url + "/inference", timeout=PATIENCE_S)
            live.client.get("/health/live", headers={"x-ms-client-request-id": f"id-{number}"})
        return set(samples(live))

    samples(live)  # asking makes the series of its own operation
    assert post_all(0) == post_all(50)


def expressions(node: Any) -> Iterator[str]:
    """Yield every query of the dashboard, or of the alerts."""
    if isinstance(node, dict):
        if "expr" in node:
            yield node["expr"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from expressions(child)


@pytest.mark.parametrize("expression", [*expressions(DASHBOARD), *expressions(ALERTS)])
def test_the_dashboard_and_the_alerts_ask_for_metrics_that_are_served(live: LiveServer, expression: str) -> None:
    served = {labels[0] for labels in samples(live)}
    asked = set(re.findall(r"\b(?:framehook|process)_\w+", expression))
    assert asked or expression.startswith("up{")
    assert asked <= served
    labels = {label for group in re.findall(r"(?:by|without) \(([^)]*)\)", expression) for label in group.split(", ")}
    assert labels <= {label for _, names in documented().values() for label in names} | {"le", "instance", "job"}


def test_the_dashboard_shows_every_metric() -> None:
    asked = " ".join(expressions(DASHBOARD))
    assert {name for name in documented() if name not in asked} == set()


def test_the_dashboard_counts_every_operation_that_answers_frames() -> None:
    listed = re.findall(r'operation=~"([^"]+)"', " ".join(expressions(DASHBOARD)))
    assert listed
    assert set(listed) == {"|".join(sorted(read_contract().frame_operations))}


def test_streams_with_settings_are_counted_from_the_start_and_no_others(tmp_path: Path) -> None:
    """Frames of the settings that are for all others are not: callers choose their names."""
    for name in ("yard", "gate", "default"):
        (tmp_path / f"{name}.yaml").write_text("motion: {}\n")
    repository = tmp_path / "repository"
    with serving(write_identity_model(repository), streams=tmp_path, **RELOADABLE) as live:
        assert of_streams(live) == {
            ("frames_total", "run", "gate"): 0,
            ("frames_total", "run", "yard"): 0,
            ("detections_total", "gate"): 0,
            ("detections_total", "yard"): 0,
            ("refused_total", "gate"): 0,
            ("refused_total", "yard"): 0,
        }
        begun_at = time.time()
        for _ in range(3):
            live.client.post("/inference?stream=yard", content=FRAME)
        live.client.post("/inference?stream=yard", content=b"rubbish")
        live.client.post("/inference?stream=street", content=FRAME)
        live.client.post("/inference?stream=default", content=FRAME)
        after = of_streams(live)
        assert begun_at <= after.pop(("last_frame_timestamp_seconds", "yard")) <= time.time()
        assert after == {
            ("frames_total", "run", "gate"): 0,
            ("frames_total", "run", "yard"): 1,
            ("frames_total", "repeated", "yard"): 2,
            ("detections_total", "gate"): 0,
            ("detections_total", "yard"): 3,
            ("refused_total", "gate"): 0,
            ("refused_total", "yard"): 1,
        }
        assert live.client.delete("/streams/yard/settings", headers=AUTHORIZED).status_code == 204
        assert {labels[-1] for labels in of_streams(live)} == {"gate"}


def of_streams(live: LiveServer) -> dict[tuple[str, ...], float]:
    prefix = "framehook_stream_"
    return {
        (name.removeprefix(prefix), *labels): value
        for (name, *labels), value in samples(live).items()
        if name.startswith(prefix) and not name.endswith("_created")
    }


def test_the_version_of_onnxruntime_is_of_the_one_imported(live: LiveServer) -> None:
    """Its builds for accelerators are packages of other names."""
    assert samples(live)["framehook_build_info", onnxruntime.__version__, version("framehook")] == 1
