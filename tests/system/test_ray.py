"""framehook on Ray Serve: deploy/ray/framehook.yaml on a cluster of two nodes, whose second one is lost in the end."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from handlers.parsing.request_names import REQUEST_ID_HEADERS
from lab.pictures import PHOTOS, STREET
from lab.processes import worker_pids
from lab.ray_cluster import RayCluster, serving_on_ray
from lab.wire import statuses, talk
from models.repository.folder import BUILT_IN_ZOO
from tests.support.client import ROOT, check_answer
from tests.support.credentials import AUTHORIZED, RELOADABLE
from tests.support.server import running
from tests.support.waiting import PROGRAM_S, wait_for

SIZES = {"frames_in_flight": 12, "queue_size": 4}
"""Of the ingress: frames at the workers and in Ray's own queue, and frames that wait before that."""
TIMES = {"queue_timeout_s": 20, "run_timeout_s": 40}
"""For a busy machine: its frames take long while another worker starts."""
WORKERS = 2
ONE_ON_EACH_NODE: dict[str, Any] = {
    "max_ongoing_requests": 2,
    "max_queued_requests": 4,
    "max_replicas_per_node": 1,
    "ray_actor_options": {"num_cpus": 1},
    "autoscaling_config": {
        "min_replicas": 1,
        "max_replicas": WORKERS,
        "target_ongoing_requests": 1,
        "upscale_delay_s": 1,
        "metrics_interval_s": 1,
        "look_back_period_s": 2,
        "downscale_delay_s": 600,
    },
}
MODELS = ("ssdlite-mobilenet-v2", "efficientnet-lite0")
CAMERAS = 4
"""Fewer than one worker and its queue take: none of their frames is refused."""
LOAD_S = 2.0
CLOSE = b"Connection: close\r\n\r\n"
BAD_HEADS = {
    "no host": b"GET /health/live HTTP/1.1\r\n" + CLOSE,
    "two hosts": b"GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + CLOSE,
    "long path": b"GET /%s HTTP/1.1\r\nHost: x\r\n" % (b"a" * 3000) + CLOSE,
    "long query": b"GET /models?%s HTTP/1.1\r\nHost: x\r\n" % (b"a" * 5000) + CLOSE,
    "many query fields": b"GET /models?%s HTTP/1.1\r\nHost: x\r\n" % (b"a&" * 600) + CLOSE,
    "long field": b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n" % (b"a" * 9000) + CLOSE,
    "many fields": b"GET /health/live HTTP/1.1\r\nHost: x\r\n%s" % (b"X-Many: 1\r\n" * 200) + CLOSE,
    "other path": b"TRACE /nowhere HTTP/1.1\r\nHost: x\r\n" + CLOSE,
}
LOST = ("urn:framehook:lane-lost", "urn:framehook:inference-timeout")
"""On a busy machine a new worker takes longer than a frame may."""

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(BUILT_IN_ZOO, tmp_path_factory.mktemp("models") / "zoo"))


@pytest.fixture(scope="module")
def cluster(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    folder = tmp_path_factory.mktemp("ray")
    log, streams = folder / "serve.log", folder / "streams"
    streams.mkdir()
    arguments = {**SIZES, **TIMES, **RELOADABLE, "streams": str(streams), "model_repository": str(repository)}
    with serving_on_ray(ONE_ON_EACH_NODE, arguments, log) as served:
        try:
            wait_for(lambda: served.replicas("Workers"), PROGRAM_S)
            wait_for(lambda: _is_ready(served.url), PROGRAM_S)
        except AssertionError:
            sys.stderr.write(log.read_text()[-20_000:])
            raise
        yield served


def _is_ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health/ready", timeout=10).status_code == httpx.codes.OK
    return False


def post(cluster: RayCluster, path: str = "/inference", picture: bytes = b"", **parameters: str) -> httpx.Response:
    picture = picture or STREET.read_bytes()
    return httpx.post(f"{cluster.url}{path}", content=picture, params=parameters, timeout=120)


def test_frames_that_wait_bring_a_second_worker(cluster: RayCluster) -> None:
    assert len(cluster.replicas("Workers")) == 1
    with _cameras_posting(cluster) as counted:
        wait_for(lambda: _all_have_lanes(cluster), PROGRAM_S)
    assert counted.keys() == {httpx.codes.OK}


def test_answers_have_the_same_digits_as_those_of_one_process(cluster: RayCluster) -> None:
    pictures = [path.read_bytes() for path in (STREET, *sorted(PHOTOS.glob("*.jpg")))]
    asked = [(f"/{kind}/{model}", each) for kind in ("inference", "annotate") for model in MODELS for each in pictures]
    asked += [("/v1/vision/detection", b"no picture"), ("/inference", b"no picture")]
    with running() as alone:
        for path, picture in asked:
            one, other = alone.client.post(path, content=picture), post(cluster, path, picture)
            assert (other.status_code, other.content) == (one.status_code, one.content), path
            assert other.headers.keys() - {"server"} == one.headers.keys(), path


def test_the_fuzz_of_the_contract_finds_nothing(cluster: RayCluster, tmp_path: Path) -> None:
    contract = tmp_path / "openapi.yaml"
    contract.write_bytes(httpx.get(f"{cluster.url}/openapi.yaml").content)
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(contract), "--url", cluster.url]
    command += ["--max-examples", "2", "--phases", "examples,fuzzing,stateful", "--exclude-path-regex", "alpr$"]
    command += ["--header", f"Authorization: {AUTHORIZED['Authorization']}"]
    environment = {"PYTHONPATH": ".", "FRAMEHOOK_TOKEN": AUTHORIZED["Authorization"].removeprefix("Bearer ")}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-10_000:]


@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS)
def test_bad_heads_get_the_answers_of_one_process(cluster: RayCluster, head: bytes) -> None:
    with running(wait_until_ready=False) as alone:
        one, other = talk(alone.port, head), talk(urlsplit(cluster.url).port or 0, head)
    assert statuses(other) == statuses(one)
    assert statuses(one)[0] >= httpx.codes.BAD_REQUEST
    assert other.partition(b"\r\n\r\n")[2] == one.partition(b"\r\n\r\n")[2]


def test_callers_do_not_steer_ray(cluster: RayCluster) -> None:
    headers = {
        b"serve-multiplexed-model-id": b"\xff",
        b"x-request-id": b"\xff",
        b"x-request-timeout-seconds": b"0.001",
        b"x-session-id": b"\xff",
    }
    answer = httpx.post(f"{cluster.url}/inference", content=STREET.read_bytes(), headers=[*headers.items()], timeout=60)
    assert answer.status_code == httpx.codes.OK
    assert "x-request-id" not in answer.headers


def test_the_id_of_a_request_is_the_callers(cluster: RayCluster) -> None:
    """Ray has ids of its own in one of the two headers."""
    for name in REQUEST_ID_HEADERS:
        answer = httpx.get(f"{cluster.url}/health/live", headers={name: "from-the-caller"}, timeout=60)
        echoed = {each: answer.headers[each] for each in REQUEST_ID_HEADERS if each in answer.headers}
        assert echoed == {name: "from-the-caller"}


def test_an_offer_of_a_websocket_is_refused(cluster: RayCluster) -> None:
    offer = b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    head = b"GET /%s HTTP/1.1\r\n" % (b"a" * 3000) + offer + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert statuses(talk(urlsplit(cluster.url).port or 0, head)) == (httpx.codes.FORBIDDEN,)


def test_a_version_that_no_worker_serves_is_refused(cluster: RayCluster, repository: Path) -> None:
    config = repository / "efficientnet-lite0" / "model.yaml"
    as_deployed = config.read_text()
    config.write_text(f"{as_deployed}\n# another version\n")
    path = f"{cluster.url}/models/efficientnet-lite0/reload"
    try:
        refused = httpx.post(path, headers=AUTHORIZED, timeout=60)
    finally:
        config.write_text(as_deployed)
    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert "deploy the application again" in refused.json()["detail"]
    assert httpx.post(path, headers=AUTHORIZED, timeout=60).json()["change"] == "unchanged"


def test_a_stream_is_remembered_by_one_worker(cluster: RayCluster) -> None:
    cameras = [f"camera-{number}" for number in range(CAMERAS)]
    for camera in cameras:
        put = httpx.put(f"{cluster.url}/streams/{camera}/settings", headers=AUTHORIZED, json={"track": {}})
        assert put.is_success
    with ThreadPoolExecutor(CAMERAS) as threads:
        tracks = list(threads.map(lambda camera: [_tracks(cluster, camera) for _ in range(6)], cameras))
    for of_one in tracks:
        assert of_one[-1]
        assert of_one[1:] == of_one[:-1], "an object has got another name: its stream has moved"


def _tracks(cluster: RayCluster, stream: str) -> list[str]:
    """Return the identifiers of the objects that are followed, of one frame more."""
    entities = post(cluster, stream=stream, confidence="0.6").json()["inferences"]
    return sorted(each["entity"]["id"] for each in entities)


def test_a_full_cluster_refuses_as_the_contract_says(cluster: RayCluster) -> None:
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(lambda _: post(cluster), range(120)))
    assert {answer.status_code for answer in answers} == {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}
    refused = [answer for answer in answers if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE]
    for answer in refused:
        del answer.headers["server"]
        check_answer("POST", "/inference", answer)
        assert answer.json()["type"] == "urn:framehook:overloaded"
        assert int(answer.headers["Retry-After"]) >= 1


def test_a_frame_of_a_lost_worker_is_answered_by_another(cluster: RayCluster) -> None:
    [victim, *_] = cluster.replicas("Workers")
    with _cameras_posting(cluster) as counted:
        os.kill(victim, signal.SIGKILL)
        time.sleep(LOAD_S)
    assert counted.keys() == {httpx.codes.OK}


def test_a_frame_of_a_lost_node_is_answered_by_another(cluster: RayCluster) -> None:
    wait_for(lambda: _all_have_lanes(cluster), PROGRAM_S)
    with _cameras_posting(cluster) as counted:
        cluster.lose_a_node()
        time.sleep(LOAD_S)
    assert counted.keys() == {httpx.codes.OK}
    assert len(cluster.replicas("Workers")) == WORKERS - 1


def test_a_stream_whose_worker_is_lost_begins_anew(cluster: RayCluster) -> None:
    before = _tracks(cluster, "camera-0")
    [victim] = cluster.replicas("Workers")
    os.kill(victim, signal.SIGKILL)
    while (answer := post(cluster, stream="camera-0")).status_code != httpx.codes.OK:
        assert answer.json()["type"] in LOST
    after = _tracks(cluster, "camera-0")
    assert after
    assert not set(before) & set(after)


def _all_have_lanes(cluster: RayCluster) -> bool:
    """Return whether as many workers as there may be have loaded their models."""
    replicas = cluster.replicas("Workers")
    return len(replicas) == WORKERS and all(worker_pids(replica) for replica in replicas)


@contextmanager
def _cameras_posting(cluster: RayCluster) -> Iterator[Counter[int]]:
    """Let cameras post until the block ends, which begins a little later; yield the statuses of their answers."""
    counted: Counter[int] = Counter()
    done = threading.Event()

    def camera() -> None:
        while not done.is_set():
            counted.update([post(cluster).status_code])

    cameras = [threading.Thread(target=camera) for _ in range(CAMERAS)]
    for each in cameras:
        each.start()
    try:
        time.sleep(LOAD_S)
        yield counted
    finally:
        done.set()
        for each in cameras:
            each.join()
