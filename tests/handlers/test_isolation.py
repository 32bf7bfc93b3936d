"""Lanes that are processes, in a running service: what happens in one costs one frame, and nobody else notices."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from lab.graphs import ENDLESS, board, write_identity_model
from lab.pictures import encode
from lab.processes import cpu_s, kill_workers, worker_pids
from tests.support.credentials import AUTHORIZED, RELOADABLE
from tests.support.metrics import samples
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, wait_for

RUN_TIMEOUT_S = 4.0
BUSY_S = 0.1
"""A lane that has used as much CPU time works on its frame."""
ENDLESS_FRAME = encode(board(work=ENDLESS), "PNG")


def frame(number: int) -> bytes:
    return encode(board(number), "PNG")


def post(live: LiveServer, body: bytes) -> httpx.Response:
    """Post a frame over a connection of its own."""
    with live.new_client() as client:
        return client.post("/inference", content=body)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_identity_model(tmp_path)


@pytest.fixture
def live(folder: Path) -> Iterator[LiveServer]:
    """A service with two lanes that are processes."""
    with serving(folder, lanes=2, isolation="process", **RELOADABLE) as live:
        yield live


@pytest.fixture
def impatient(folder: Path) -> Iterator[LiveServer]:
    """The same, where a frame may not run for long."""
    with serving(folder, lanes=2, isolation="process", run_timeout_s=RUN_TIMEOUT_S) as live:
        yield live


def used_s() -> float:
    """Return the CPU time that the lanes have used, in seconds."""
    return sum(map(cpu_s, worker_pids()))


def test_a_killed_worker_costs_its_frame_alone(live: LiveServer) -> None:
    """One lane's frame is lost; the other lane answers on, and the next frame is answered soon."""
    idle_s = used_s()
    with ThreadPoolExecutor(1) as caller:
        lost = caller.submit(post, live, ENDLESS_FRAME)
        wait_for(lambda: used_s() > idle_s + BUSY_S)
        kill_workers()
        assert post(live, frame(5)).status_code == 200
        assert lost.result().status_code == 503
    assert samples(live)["framehook_shed_total", "lane_lost"] == 1
    wait_for(lambda: len(worker_pids()) == 2)


def test_work_that_cannot_be_interrupted_ends_in_time(impatient: LiveServer) -> None:
    """A stopped process stands for a codec or a node of a model that never returns: its lane is replaced."""
    for process in worker_pids():
        os.kill(process, signal.SIGSTOP)
    started_at = time.monotonic()
    with ThreadPoolExecutor(2) as callers:
        answers = list(callers.map(lambda _: post(impatient, frame(3)), range(2)))
    assert [answer.status_code for answer in answers] == [503, 503]
    assert {answer.json()["type"] for answer in answers} == {"urn:framehook:inference-timeout"}
    assert time.monotonic() - started_at < RUN_TIMEOUT_S + PATIENCE_S
    assert impatient.client.post("/inference", content=frame(3)).status_code == 200


def test_a_lost_lane_comes_back_with_the_version_that_is_served(live: LiveServer, folder: Path) -> None:
    """Even when the folder holds a version that was refused meanwhile."""
    version = live.client.get("/models").json()["models"][0]["version"]
    (folder / "model.onnx").write_bytes(b"rubbish")
    assert live.client.post(f"/models/{live.model}/reload", headers=AUTHORIZED).status_code == 422
    kill_workers()
    answer = live.client.post("/inference", content=frame(4), headers=AUTHORIZED)
    assert answer.status_code == 200
    assert live.client.get("/models").json()["models"][0]["version"] == version


def test_a_new_version_takes_over_in_every_lane(live: LiveServer, folder: Path) -> None:
    (folder / "labels.txt").write_text("changed\nother\n")
    reload = live.client.post(f"/models/{live.model}/reload", headers=AUTHORIZED)
    assert reload.status_code == 200
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda _: post(live, frame(4)), range(12)))
    assert all(b'"changed"' in answer.content for answer in answers)
