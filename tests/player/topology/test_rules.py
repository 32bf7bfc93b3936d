"""Graphs that cannot run are refused; what the documents advise against is a warning."""

from pathlib import Path
from typing import Any

import pytest

from player.errors import TopologyError
from player.topology.advice import ADVICE
from player.topology.reading import PROCESSORS, SINKS, SOURCES
from tests.player.topology.documents import (
    LVA,
    camera,
    detecting,
    detector,
    endpoint,
    fed,
    files,
    gate,
    hub,
    load,
    motion,
    node,
    read,
    topology,
    video,
)

MESSAGES = node("IotHubMessageSource", "messages", hubInputName="record")
TRACKER = node("ObjectTrackingProcessor", "tracker", "detector")
LINE = {"name": "kerb", "line": "0,0.5,1,0.5"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "same name": (
        detecting(motion("detector")),
        "two nodes have the name detector; expected a name of its own for each.",
    ),
    "dangling": (
        topology(camera(), detector("detector", "camra"), hub()),
        "detector takes its input from camra, which is not there. Did you mean camera?",
    ),
    "other case": (
        topology(camera(), detector("detector", "Camera"), hub()),
        "detector takes its input from Camera, which is not there. Did you mean camera?",
    ),
    "from a sink": (
        topology(camera(), detector(), hub(), hub("hub", name="second")),
        "second takes its input from hub, a sink, which passes nothing on.",
    ),
    "circle": (
        topology(camera(), motion("a", "c"), motion("b", "a"), motion("c", "b")),
        "its nodes go round in a circle: a → b → c → a.",
    ),
    "itself": (topology(camera(), motion("a", "a")), "its nodes go round in a circle: a → a."),
    "no source": (topology(MESSAGES), "it has no RtspSource; a pipeline needs one."),
    "two cameras": (
        topology(camera(), camera(name="second")),
        "camera and second are all RtspSources; expected one.",
    ),
    "gate": (
        topology(camera(), motion(), gate("gate", "motion"), files()),
        "gate, a SignalGateProcessor, has 1 inputs; expected two: what opens it, then what goes through.",
    ),
    "gate of three": (
        topology(camera(), motion(), gate("gate", "motion", "camera", "camera"), files()),
        "gate, a SignalGateProcessor, has 3 inputs; expected two: what opens it, then what goes through.",
    ),
    "many ways": (
        topology(camera(), motion("a", *["camera"] * 16), motion("b", *["a"] * 16), motion("c", "b", "b")),
        "what the source gives would come to c 512 times; expected at most 256 ways through the nodes above it.",
    ),
    "many": (topology(*[camera()] * 101), "it has 101 nodes; expected at most 100."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_graph_that_cannot_run_is_refused(tmp_path: Path, name: str) -> None:
    document, message = REFUSED[name]
    with pytest.raises(TopologyError) as refused:
        load(tmp_path, document)
    assert str(refused.value) == f"{tmp_path / 'topology.json'}: {message}"


def lva(kind: str, name: str, *inputs: str, **keys: Any) -> dict[str, Any]:
    return node(kind, name, *inputs, prefix=LVA, **keys)


ADVISED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "motion": (
        topology(camera(), detector(), motion("motion", "detector"), hub("motion")),
        ["motion should be directly below the RtspSource."],
    ),
    "gate below": (
        topology(camera(), motion(), gate("gate", "motion", "motion"), files()),
        ["gate should take its second input directly from the RtspSource."],
    ),
    "gate above": (
        detecting(gate("gate", "detector", "camera"), hub("gate", name="second")),
        ["gate should be directly before a sink of files or videos, not before second."],
    ),
    "gate that stays closed": (
        topology(camera(), gate("gate", "camera", "camera"), files()),
        ["gate is opened by camera, which has no events: it stays closed."],
    ),
    "times": (
        topology(
            camera(),
            motion(),
            gate(
                minimumActivationTime="PT5S",
                maximumActivationTime="PT2H",
                activationSignalOffset="-PT61S",
                activationEvaluationWindow="PT11S",
            ),
            files(),
        ),
        [
            "gate has the activationEvaluationWindow 11 s; documented is 0 s to 10 s.",
            "gate has the activationSignalOffset -61 s; documented is -60 s to 60 s.",
            "gate has the minimumActivationTime 5 s; documented is 10 s to 3600 s.",
            "gate has the maximumActivationTime 7200 s; documented is 10 s to 3600 s.",
        ],
    ),
    "maximum below minimum": (
        topology(camera(), motion(), gate(maximumActivationTime="PT20S"), files()),
        ["gate has a maximumActivationTime below its minimumActivationTime: clips end after the maximum."],
    ),
    "tracker": (
        topology(camera(), motion(), node("ObjectTrackingProcessor", "tracker", "motion"), hub("tracker")),
        ["tracker should be directly below an HttpExtension."],
    ),
    "lines": (
        topology(camera(), motion(), node("LineCrossingProcessor", "counter", "motion", lines=[LINE]), hub("counter")),
        ["counter should be directly below an ObjectTrackingProcessor."],
    ),
    "lines of an extension": (
        topology(
            camera(), detector(), node("LineCrossingProcessor", "counter", "detector", lines=[LINE]), hub("counter")
        ),
        ["counter is directly below an extension: it counts only objects to which that one gives a sequenceId."],
    ),
    "file sink": (
        topology(camera(), files("camera")),
        ["files should be directly below a SignalGateProcessor."],
    ),
    "no limit": (
        topology(camera(), motion(), gate(), files(maximumSizeMiB=None)),
        ["files has no maximumSizeMiB: clips are kept until the disk is full."],
    ),
    "no video": (
        topology(camera(), detector(), TRACKER, video("tracker")),
        ["video takes nothing from the RtspSource or a SignalGateProcessor: there is no video to record."],
    ),
    "segments": (
        topology(camera(), video("camera", videoCreationProperties={"segmentLength": "PT45S"})),
        ["video has the segmentLength 45 s; documented is 30 s to 300 s in steps of 30 s."],
    ),
    "long segments": (
        topology(camera(), video("camera", segmentLength="PT10M")),
        ["video has the segmentLength 600 s; documented is 30 s to 300 s in steps of 30 s."],
    ),
    "echo": (
        detecting(MESSAGES, hub("messages", name="echo")),
        ["echo is directly below an IotHubMessageSource: it would report only what came in."],
    ),
    "time": (
        topology(camera(), detector(), hub(hubOutputName="a-${System.DateTime}")),
        ["hub has the time in its hubOutputName, where it is not filled in."],
    ),
    "skips all": (
        topology(camera(), detector(samplingOptions={"skipSamplesWithoutAnnotation": True}), hub()),
        ["detector skips frames without annotation, but no node above it makes any: it sends nothing."],
    ),
    "skips all, far below": (
        topology(
            camera(),
            detector("detector", "a", samplingOptions={"skipSamplesWithoutAnnotation": True}),
            node("FrameRateFilterProcessor", "a", "b", "c"),
            node("FrameRateFilterProcessor", "b", "camera"),
            node("FrameRateFilterProcessor", "c", "camera"),
            hub(),
        ),
        [
            "detector skips frames without annotation, but no node above it makes any: it sends nothing.",
            "a has 2 inputs; one was expected.",
        ],
    ),
    "not encrypted": (
        topology(
            node("RtspSource", "camera", endpoint=endpoint(kind="TlsEndpoint")),
            detector(endpoint=endpoint("http://a", kind="TlsEndpoint")),
            hub(),
        ),
        [
            "camera has a TlsEndpoint, but its URL does not begin with rtsps://: it is not encrypted.",
            "detector has a TlsEndpoint, but its URL does not begin with https://: it is not encrypted.",
        ],
    ),
    "no taker": (detecting(motion()), ["no node takes what comes from motion."]),
    "two inputs": (
        topology(camera(), motion(), detector("detector", "motion", "camera"), hub()),
        ["detector has 2 inputs; one was expected."],
    ),
    "lva": (
        topology(
            camera(prefix=LVA),
            motion(),
            motion("second"),
            detector("detector", "motion"),
            detector("other", "second"),
            gate(),
            files(),
            lva("AssetSink", "asset", "gate", assetNamePattern="a", segmentLength="PT30S"),
            hub("detector", "other"),
        ),
        [
            "it has 2 nodes of the type HttpExtension; Live Video Analytics took one.",
            "it has 2 nodes of the type MotionDetectionProcessor; Live Video Analytics took one.",
            "it has both asset sinks and file sinks; Live Video Analytics took only one kind.",
        ],
    ),
}


@pytest.mark.parametrize("name", ADVISED)
def test_a_graph_that_breaks_a_rule_runs_with_a_warning(tmp_path: Path, name: str) -> None:
    document, warnings = ADVISED[name]
    assert list(load(tmp_path, document).warnings) == warnings


FINE: dict[str, dict[str, Any]] = {
    "detection": detecting(),
    "motion before": topology(
        camera(),
        motion(),
        node("FrameRateFilterProcessor", "rate", "motion"),
        detector("detector", "rate", samplingOptions={"skipSamplesWithoutAnnotation": "true"}),
        hub(),
    ),
    "tracking": topology(
        camera(), detector(), TRACKER, node("LineCrossingProcessor", "counter", "tracker", lines=[LINE]), hub("counter")
    ),
    "recording with what was found": topology(camera(), detector(), hub(), video("camera", "detector")),
    "messages": topology(camera(), MESSAGES, gate("gate", "messages", "camera"), files(), video()),
    "ava, twice": topology(
        camera(), motion(), motion("second"), gate(), files(), video(), hub("motion"), hub("second", name="hub2")
    ),
    "two extensions": topology(
        camera(),
        detector(),
        detector("second", "detector", samplingOptions={"skipSamplesWithoutAnnotation": "true"}),
        hub("second"),
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_a_graph_that_keeps_the_rules_has_no_warning(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, FINE[name])


def test_each_class_of_nodes_has_its_advice() -> None:
    assert {*SOURCES.values(), *PROCESSORS.values(), *SINKS.values()} == set(ADVICE)


def test_inputs_keep_their_order(tmp_path: Path) -> None:
    opened = node("SignalGateProcessor", "gate") | {"inputs": fed("motion", "camera")}
    found = read(tmp_path, topology(camera(), motion(), opened, files()))
    assert [each.node_name for each in found.processors[1].inputs] == ["motion", "camera"]
