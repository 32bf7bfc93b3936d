"""What the service says of a stream's objects, lines and zones, over HTTP and with lanes that are processes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.streams import live_view, scenes
from handlers.streams.scenes import MAX_EVENTS
from lab.graphs import write_identity_model
from lab.pictures import encode
from lab.processes import kill_workers
from scene.events import Event, Scene
from scene.settings import StreamSettings
from tests.support.credentials import AUTHORIZED, RELOADABLE
from tests.support.models.walks import GATE, LEFT, PORCH, RIGHT, block
from tests.support.server import LiveServer, running
from tests.support.waiting import wait_for

FRAMES = {middle: encode(block(middle), "PNG") for middle in (LEFT, RIGHT)}
NOBODY: dict[str, Any] = {"scenes": [], "events": []}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repository")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def live(repository: Path, folder: Path) -> Iterator[LiveServer]:
    write_identity_model(repository)
    write_identity_model(repository, "second")
    served: dict[str, Any] = {"model_repository": repository, "default_model": "identity"}
    with running(**served, streams=folder, isolation="process", **RELOADABLE) as server:
        yield server


@pytest.fixture
def stream(live: LiveServer, request: pytest.FixtureRequest) -> str:
    """Return a stream of the test's own, with a line and a zone."""
    name = re.sub(r"\W", "-", str(request.node.name))[:60]
    settings(live, name, lines=[GATE], zones=[PORCH])
    return name


def settings(live: LiveServer, stream: str, **keys: Any) -> None:
    live.client.put(f"/streams/{stream}/settings", json=keys, headers=AUTHORIZED).raise_for_status()


def post(live: LiveServer, stream: str, *middles: float, model: str = "identity") -> list[dict[str, Any]]:
    """Return the inferences of frames, all together."""
    answers = [
        live.client.post(f"/inference/{model}", params={"stream": stream}, content=FRAMES[middle]) for middle in middles
    ]
    return [inference for answer in answers for inference in answer.json()["inferences"]]


def state(live: LiveServer, stream: str) -> dict[str, Any]:
    answer = live.client.get(f"/streams/{stream}")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def remembered(live: LiveServer, stream: str) -> dict[str, Any]:
    return {name: value for name, value in state(live, stream).items() if name != "stream"}


def test_the_state_is_that_of_the_last_frame(live: LiveServer, stream: str) -> None:
    inferences = post(live, stream, LEFT, RIGHT)
    shown = state(live, stream)
    [listed] = (each for each in live.client.get("/streams").json()["streams"] if each["id"] == stream)
    assert shown["stream"].keys() == listed.keys()
    assert shown["stream"]["lastFrameAt"] == listed["lastFrameAt"]
    [scene] = shown["scenes"]
    assert scene["lines"] == [{"name": "gate", "clockwiseTotal": 0, "counterclockwiseTotal": 1, "total": 1}]
    assert scene["zones"] == [{"name": "porch", "count": 1, "enteredTotal": 1}]
    [followed] = scene["objects"]
    entity = [inference for inference in inferences if inference["type"] == "entity"][-1]["entity"]
    assert (followed["id"], followed["box"], followed["seen"]) == (entity["id"], entity["box"], True)
    events = [inference for inference in inferences if inference["type"] == "event"]
    assert [event["inference"] for event in shown["events"]] == events[::-1]


def test_each_model_has_a_scene(live: LiveServer, stream: str) -> None:
    post(live, stream, LEFT, RIGHT)
    post(live, stream, LEFT, model="second")
    scenes = state(live, stream)["scenes"]
    assert [(scene["model"], scene["lines"][0]["total"]) for scene in scenes] == [("identity", 1), ("second", 0)]


def test_the_events_are_bounded(live: LiveServer, stream: str) -> None:
    post(live, stream, *(LEFT, RIGHT) * MAX_EVENTS)
    events = state(live, stream)["events"]
    assert len(events) == MAX_EVENTS
    assert [event["at"] for event in events] == sorted((event["at"] for event in events), reverse=True)


def test_a_stream_that_is_forgotten_begins_at_0(live: LiveServer, stream: str) -> None:
    [first, *_] = post(live, stream, LEFT, RIGHT)
    assert live.client.delete(f"/streams/{stream}", headers=AUTHORIZED).status_code == 204
    assert remembered(live, stream) == NOBODY
    inferences = post(live, stream, LEFT, RIGHT)
    assert inferences[0]["entity"]["id"] != first["entity"]["id"]
    assert state(live, stream)["scenes"][0]["lines"][0]["total"] == 1
    assert live.client.get(f"/streams/{stream}/settings").json() == {"lines": [GATE], "zones": [PORCH]}


def test_new_settings_begin_anew(live: LiveServer, stream: str) -> None:
    """Also those that say the same, and for models that get no frames any more; what was before is shown no longer."""
    post(live, stream, LEFT, RIGHT, LEFT)
    post(live, stream, LEFT, model="second")
    settings(live, stream, lines=[GATE], zones=[PORCH])
    assert remembered(live, stream) == NOBODY
    post(live, stream, LEFT, RIGHT)
    [scene] = state(live, stream)["scenes"]
    assert scene["lines"][0]["total"] == 1
    settings(live, stream, motion={})
    post(live, stream, RIGHT)
    assert remembered(live, stream) == NOBODY


def test_a_file_that_says_the_same_again_changes_nothing(live: LiveServer, folder: Path, stream: str) -> None:
    post(live, stream, LEFT, RIGHT)
    path = folder / f"{stream}.yaml"
    path.write_text(path.read_text() + "# the same\n")
    (folder / "signal.yaml").write_text("{}")
    wait_for(lambda: live.client.get("/streams/signal/settings").status_code == 200)
    post(live, stream, LEFT)
    assert state(live, stream)["scenes"][0]["lines"][0]["total"] == 2


@pytest.mark.parametrize("path", ["/inference", "/v1/vision/detection"])
def test_the_first_frame_under_new_settings_counts(live: LiveServer, stream: str, path: str) -> None:
    """Also on the paths of DeepStack."""
    post(live, stream, LEFT)
    settings(live, stream, lines=[GATE])
    for middle in (LEFT, RIGHT):
        body: dict[str, Any] = (
            {"files": {"image": FRAMES[middle]}} if path.startswith("/v1") else {"content": FRAMES[middle]}
        )
        live.client.post(path, params={"stream": stream}, **body).raise_for_status()
    assert state(live, stream)["scenes"][0]["lines"][0]["total"] == 1


def test_the_path_of_a_stream_whose_name_ends_with_settings_is_no_other_stream(live: LiveServer, stream: str) -> None:
    post(live, f"{stream}/settings", LEFT)
    path = f"/streams/{stream}%2Fsettings"
    statuses = [live.client.request(method, path, headers=AUTHORIZED) for method in ("GET", "DELETE", "PUT")]
    assert [answer.status_code for answer in statuses] == [404, 404, 405]
    assert statuses[2].headers["allow"] == "DELETE, GET, HEAD"
    assert live.client.get(f"/streams/{stream}/settings").status_code == 200
    settings(live, f"{stream}%2Fsettings", track={})
    assert live.client.get(f"/streams/{stream}%2F%73ettings/settings").json() == {"track": {}}


def test_a_stream_that_others_displaced_begins_anew(
    live: LiveServer, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(live, stream, LEFT, RIGHT)
    listed = live.client.get("/streams").json()["streams"]
    monkeypatch.setattr(live_view, "MAX_STREAMS", len(listed))
    for other in range(len(listed)):
        post(live, f"other {other}", LEFT)
    assert live.client.get(f"/streams/{stream}").status_code == 404
    post(live, stream, LEFT)
    assert state(live, stream)["scenes"][0]["lines"][0]["total"] == 0


def test_a_scene_is_forgotten_when_no_frame_comes(
    live: LiveServer, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the lane forgets it; the events are kept for those who ask later."""
    post(live, stream, LEFT, RIGHT)
    monkeypatch.setattr(scenes, "EXPIRY_S", 0)
    assert remembered(live, stream)["scenes"] == []
    assert remembered(live, stream)["events"]


def test_frames_that_were_taken_before_the_scenes_began_do_not_count() -> None:
    """They were in work when a person let the stream begin anew."""
    known = scenes.Scenes(StreamSettings(), begun_at_s=2)
    event = Event("id", "zoneCount", "porch", (("count", "1"),), ())
    known.record("one", Scene(events=(event,)), taken_at_s=1)
    assert known.events == []
    known.record("one", Scene(events=(event,)), taken_at_s=2)
    assert [reported.event for reported in known.events] == [event]


def test_only_who_may_configure_makes_a_stream_forgotten(live: LiveServer, stream: str) -> None:
    post(live, stream, LEFT)
    path = f"/streams/{stream}"
    assert live.client.delete(path).status_code == 401
    assert state(live, stream)["scenes"]


def test_a_stream_that_nobody_knows_has_no_state(live: LiveServer) -> None:
    assert live.client.get("/streams/nobodys").status_code == 404
    assert live.client.delete("/streams/nobodys", headers=AUTHORIZED).status_code == 404


@pytest.mark.parametrize("name", ["gate/1", "50%", "..", "a&b=c"])
def test_a_name_may_be_awkward(live: LiveServer, name: str) -> None:
    live.client.post("/inference", params={"stream": name}, content=FRAMES[LEFT]).raise_for_status()
    path = {"gate/1": "gate%2F1", "50%": "50%25", "..": "%2E%2E"}.get(name, "a%26b%3Dc")
    answer = live.client.get(f"/streams/{path}")
    assert answer.json()["stream"]["id"] == name


def test_without_its_settings_a_stream_has_no_scene(live: LiveServer, stream: str) -> None:
    post(live, stream, LEFT, RIGHT)
    live.client.delete(f"/streams/{stream}/settings", headers=AUTHORIZED)
    [entity] = post(live, stream, RIGHT)
    assert "id" not in entity["entity"]
    assert state(live, stream)["scenes"] == []


def test_the_track_is_a_sequence_only_when_asked(live: LiveServer, stream: str) -> None:
    [plain] = post(live, stream, LEFT)
    settings(live, stream, track={}, sequence_id=True)
    [asked] = post(live, stream, LEFT)
    assert "sequenceId" not in plain
    assert asked["sequenceId"] == asked["entity"]["id"]


def test_a_lane_that_is_killed_costs_the_memory_and_nothing_else(live: LiveServer, stream: str) -> None:
    [first, *_] = post(live, stream, LEFT, RIGHT)
    kill_workers()
    path = f"/inference?stream={stream}"
    wait_for(lambda: live.client.post(path, content=FRAMES[LEFT]).status_code == 200)  # the frame at hand may be lost
    answers = [post(live, stream, middle) for middle in (LEFT, RIGHT)]
    assert answers[0][0]["entity"]["id"] != first["entity"]["id"]
    [crossing, *_] = (inference for inference in answers[1] if inference["type"] == "event")
    assert crossing["event"]["properties"]["total"] == "1"


def test_another_version_of_the_model_costs_the_memory_and_nothing_else(
    live: LiveServer, repository: Path, stream: str
) -> None:
    [first, *_] = post(live, stream, LEFT, RIGHT)
    labels = repository / "identity" / "labels.txt"
    labels.write_text(labels.read_text().replace("other", "another"))
    live.client.post("/models/identity/reload", headers=AUTHORIZED).raise_for_status()
    [again] = post(live, stream, LEFT)
    assert again["entity"]["id"] != first["entity"]["id"]
    assert state(live, stream)["scenes"][0]["lines"][0]["total"] == 0
