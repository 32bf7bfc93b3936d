"""Models are added, changed and removed while the service runs, as its clients see it."""

import logging
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from lab.graphs import board, write_identity_model
from lab.pictures import encode
from tests.support.credentials import ADMIN_TOKEN, AUTHORIZED, RELOADABLE
from tests.support.metrics import samples
from tests.support.models.chains import planted_boxes, write_then
from tests.support.server import LiveServer, running, serving
from tests.support.waiting import wait_for

FRAME = encode(board(7), "PNG")


def label(live: LiveServer) -> str:
    value: str = live.client.post("/inference", content=FRAME).json()["inferences"][0]["entity"]["tag"]["value"]
    return value


def test_a_dropped_folder_is_served_and_a_removed_one_is_not(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with serving(folder) as live:
        (tmp_path / ".made").mkdir()
        write_identity_model(tmp_path / ".made", "new").rename(tmp_path / "new")
        wait_for(lambda: live.client.post("/inference/new", content=FRAME).status_code == 200)
        (folder / "labels.txt").write_text("changed\nother\n")
        wait_for(lambda: label(live) == "changed")
        shutil.rmtree(tmp_path / "new")
        wait_for(lambda: live.client.get("/models/new").status_code == 404)


def test_without_a_temporary_folder_the_log_says_once_that_nothing_is_reloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_identity_model(tmp_path / "models")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with serving(folder, **RELOADABLE) as live:
        wait_for(lambda: "hot reload is not available" in caplog.messages)
        (folder / "labels.txt").write_text("changed\nother\n")
        refusal = live.client.post("/models/identity/reload", headers=AUTHORIZED)
        assert refusal.status_code == 422
        assert "mount a writable /tmp" in refusal.json()["detail"]
        write_identity_model(folder.parent, "new")
        time.sleep(2)  # the watch sees both
        assert label(live) == "block"
        assert live.client.get("/models/new").status_code == 404
        assert live.client.get("/health/ready").status_code == 200
        assert not [name for name in samples(live) if name[0] == "framehook_model_reloads_total"]
    [warning] = [record for record in caplog.records if record.getMessage() == "hot reload is not available"]
    assert warning.levelno == logging.WARNING
    assert "mount a writable /tmp" in warning.facts["reason"]  # type: ignore[attr-defined]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_reload_on_request_is_told_and_counted(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with serving(folder, **RELOADABLE, watch_models=False) as live:
        before = live.client.get("/models/identity").json()["version"]
        (folder / "labels.txt").write_text("changed\nother\n")
        answer = live.client.post("/models/identity/reload", headers=AUTHORIZED).json()
        assert answer == {"model": "identity", "change": "replaced", "version": answer["version"]}
        assert answer["version"] == live.client.get("/models/identity").json()["version"] != before
        assert label(live) == "changed"
        weights = (folder / "model.onnx").read_bytes()
        (folder / "model.onnx").write_bytes(b"rubbish")
        refusal = live.client.post("/models/identity/reload", headers=AUTHORIZED)
        assert refusal.status_code == 422
        assert "not a model that onnxruntime" in refusal.json()["detail"]
        assert label(live) == "changed"
        assert live.client.get("/health/ready").status_code == 200
        [rejected] = live.client.get("/models").json()["broken"]
        assert (rejected["name"], rejected["servedVersion"]) == ("identity", answer["version"])
        assert rejected["detail"].startswith("identity/model.onnx is not a model that onnxruntime")
        (folder / "model.onnx").write_bytes(weights)
        assert live.client.post("/models/identity/reload", headers=AUTHORIZED).json()["change"] == "unchanged"
        assert "broken" not in live.client.get("/models").json()
        counts = [sorted(name[1:]) for name in samples(live) if name[0] == "framehook_model_reloads_total"]
        assert counts == [["identity", "replaced"], ["identity", "rejected"]]


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {ADMIN_TOKEN}", "Bearer \xe9"])
def test_without_the_token_nothing_is_reloaded(tmp_path: Path, given: str) -> None:
    with serving(write_identity_model(tmp_path), **RELOADABLE) as live:
        headers = {b"Authorization": given.encode("latin-1")}
        answer = live.client.post("/models/identity/reload", headers=headers)
        assert answer.status_code == 401
        assert ADMIN_TOKEN not in answer.text


def test_a_broken_model_may_wait_to_be_repaired(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    broken = write_identity_model(tmp_path, "broken")
    good = (broken / "model.onnx").read_bytes()
    (broken / "model.onnx").write_bytes(b"rubbish")
    settings: dict[str, Any] = {
        "model_repository": tmp_path,
        "default_model": folder.name,
        **RELOADABLE,
    }
    with running(on_broken_model="wait", watch_models=False, wait_until_ready=False, **settings) as live:
        wait_for(lambda: live.client.post("/inference", content=FRAME).status_code == 200)
        wait_for(lambda: "broken" in live.client.get("/models").json())
        assert "onnxruntime" in live.client.get("/models").json()["broken"][0]["detail"]
        ready = live.client.get("/health/ready")
        assert ready.status_code == 503
        sentence = "The model broken cannot be served; the list of models and the log give the reason."
        assert ready.json()["detail"] == live.client.get("/status").json()["reason"] == sentence
        assert live.client.post("/inference/broken", content=FRAME).status_code == 503
        (broken / "model.onnx").write_bytes(good)
        assert live.client.post("/models/broken/reload", headers=AUTHORIZED).json()["change"] == "loaded"
        assert live.client.get("/health/ready").status_code == 200


def test_a_folder_that_arrives_and_is_bad_makes_nobody_unready(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with serving(folder, **RELOADABLE) as live:
        arriving = tmp_path / "arriving"
        arriving.mkdir()
        shutil.copy(folder / "model.yaml", arriving)
        wait_for(lambda: "broken" in live.client.get("/models").json())
        [broken] = live.client.get("/models").json()["broken"]
        assert broken["name"] == "arriving"
        assert str(tmp_path) not in broken["detail"]
        assert "arriving/labels.txt" in broken["detail"]
        assert live.client.get("/health/ready").status_code == 200
        assert live.client.get("/status").json()["ready"]
        assert samples(live)[("framehook_ready",)] == 1
        assert live.client.post("/inference", content=FRAME).status_code == 200
        assert live.client.post("/inference/arriving", content=FRAME).status_code == 503
        for name in ("labels.txt", "model.onnx"):
            shutil.copy(folder / name, arriving)
        wait_for(lambda: live.client.post("/inference/arriving", content=FRAME).status_code == 200)
        assert "broken" not in live.client.get("/models").json()


def test_a_name_that_is_not_utf8_is_skipped_and_watching_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_identity_model(tmp_path)
    shutil.copytree(folder, tmp_path / os.fsdecode(b"bad\xff"))
    with serving(folder, on_broken_model="wait", **RELOADABLE) as live:
        (folder / os.fsdecode(b".r\xe9sum\xe9.txt")).touch()
        wait_for(lambda: "folders skipped" in caplog.messages)
        assert [model["name"] for model in live.client.get("/models").json()["models"]] == ["identity"]
        assert live.client.get("/metrics").status_code == 200
        (folder / "loop").symlink_to("loop")
        refusal = live.client.post("/models/identity/reload", headers=AUTHORIZED)
        assert (refusal.status_code, refusal.json()["type"]) == (422, "urn:framehook:model-rejected")
        (folder / "loop").unlink()
        (folder / "labels.txt").write_text("changed\nother\n")
        wait_for(lambda: label(live) == "changed")
    [skipped] = [record for record in caplog.records if record.getMessage() == "folders skipped"]
    assert r"bad\udcff" in skipped.facts["reason"]  # type: ignore[attr-defined]


def test_a_change_at_the_moment_of_the_start_is_taken_up(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    (tmp_path / ".made").mkdir()
    made = write_identity_model(tmp_path / ".made", "late")
    with serving(folder) as live:
        made.rename(tmp_path / "late")
        wait_for(lambda: live.client.get("/models/late").status_code == 200)


def test_a_chained_model_is_replaced_with_the_model_that_needs_it(tmp_path: Path) -> None:
    """It is not served itself; what is broken leaves the version before in service."""
    identity = write_identity_model(tmp_path)
    things = write_then(planted_boxes(tmp_path, [(0.0, 0.0, 1.0, 1.0)]), "{model: identity}")

    def labels() -> list[str]:
        inferences = live.client.post("/inference", content=FRAME).json()["inferences"]
        return [inference["entity"]["tag"]["value"] for inference in inferences]

    with serving(things, models=things.name) as live:
        assert labels() == ["thing", "block"]
        [record] = live.client.get("/models").json()["models"]
        assert (record["name"], record["then"]) == ("planted", [{"model": "identity"}])
        identity.rename(tmp_path / ".away")
        wait_for(lambda: "broken" in live.client.get("/models").json())
        assert labels() == ["thing", "block"]
        (tmp_path / ".away" / "labels.txt").write_text("back\nother\n")
        (tmp_path / ".away").rename(identity)
        wait_for(lambda: labels() == ["thing", "back"])
        assert "broken" not in live.client.get("/models").json()
        stages = {name[2] for name in samples(live) if name[0] == "framehook_stage_duration_seconds_count"}
        assert "then:identity" in stages
