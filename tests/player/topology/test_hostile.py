"""Whatever a topology says, it is read or refused with a sentence: nothing else is raised."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from player.errors import TopologyError
from player.topology.drawing import mermaid
from player.topology.reading import read_topology
from player.topology.report import report
from tests.player.topology.documents import (
    LVA,
    camera,
    detector,
    files,
    gate,
    hub,
    login,
    motion,
    node,
    parameter,
    topology,
    video,
    written,
)

LINES = [{"@type": "NamedLineString", "name": "${a}", "line": "[[0,0.5],[1,0.5]]"}]
WHOLE = topology(
    camera(credentials=login("${a}", "b")),
    node("IotHubMessageSource", "messages", hubInputName="in"),
    motion(sensitivity="low", eventAggregationWindow="PT2S"),
    node("FrameRateFilterProcessor", "rate", "motion", maximumFps="2"),
    detector("detector", "rate", image={"scale": {"width": 5, "height": 5}, "format": {"@type": "ImageFormatJpeg"}}),
    node("ObjectTrackingProcessor", "tracker", "detector", accuracy="high"),
    node("LineCrossingProcessor", "counter", "tracker", lines=LINES),
    gate("gate", "counter", "camera", triggerFilter={"labels": "a,b", "events": ["a"]}),
    files(),
    video(videoCreationProperties={"segmentLength": "PT1M"}),
    gate("second", "messages", "camera"),
    files("second", name="others"),
    hub("counter"),
    parameters=[parameter("a", default="b")],
)
WORDS = [
    "", "camera", "gate", "${a}", "${", "${b}", "${System.DateTime}", "nan", "-1", "1e400", "PT1S", "P9999999999D",
    "True", "[[0,0],[1,1]]", "[" * 50, "0,0,1,1", "rtsp://a:b@[", "http://[::1", "http://a:b@c:99999/", "\x00",
    "é" * 300, f"{LVA}AssetSink", "GrpcExtension", "#Microsoft.VideoAnalyzer.", "ImageFormatEncoded", "TlsEndpoint",
    "int", "🙂",
]  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS)
VALUES = st.recursive(
    LEAVES.filter(lambda value: value not in {float("inf"), float("-inf")}),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["@type", "name", "inputs", "url", "Name", "x", "password"]), children)
    ),
    max_leaves=5,
)


def refusal(call: Callable[[], object]) -> str:
    """Return the sentence with which a call refuses a topology; nothing if it does not."""
    try:
        call()
    except TopologyError as error:
        return str(error)
    return ""


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return all containers of a document, with the key of each value in them."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def test_the_whole_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.getbasetemp(), WHOLE)
    assert read_topology(path, {}, pipeline="door").warnings == ()


@settings(max_examples=200)
@given(st.data())
def test_any_change_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    document = copy.deepcopy(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(document)))
        if data.draw(st.booleans()):
            container[key] = data.draw(VALUES)
        else:
            del container[key]
    path = written(tmp_path_factory.getbasetemp(), json.dumps(document))
    source = data.draw(st.sampled_from([None, "a.avi", "rtsp://ann:b@c/d"]))
    sentence = refusal(lambda: mermaid(read_topology(path, {}, source=source, pipeline="door").topology))
    assert re.fullmatch(r"|.*/topology\.json: \S[^\n\r\x00]*\.( Did you mean [^?]*\?)?", sentence)
    lines: list[str] = []
    sentence = refusal(lambda: lines.extend(report(path, {}, source=source, pipeline="door").lines))
    assert "".join([*lines, sentence]).isprintable()
