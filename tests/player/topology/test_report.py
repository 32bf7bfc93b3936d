"""A report says what a topology is, with or without values."""

from pathlib import Path

import pytest

from player.errors import TopologyError
from player.topology.report import report
from tests.player.topology.documents import (
    LVA,
    camera,
    detecting,
    detector,
    gate,
    hub,
    login,
    node,
    parameter,
    topology,
    video,
    written,
)

SECRET = "heron-77"
DECLARED = [
    parameter("url", description="Of the camera."),
    parameter("user", default="ann"),
    parameter("word", default=SECRET),
    parameter("key", "secretString", default=SECRET),
    parameter("server", default=f"http://ann:{SECRET}@a/"),
    parameter("service", default=f"http://a/?code={SECRET}"),
    parameter("rate", "double", default="2"),
]
SOURCE = camera("${url}", credentials=login("${user}", "${word}"))
ASKED = detector(samplingOptions={"maximumSamplesPerSecond": "${rate}"})
DOCUMENT = topology(SOURCE, ASKED, gate("gate", "detector", "camera"), video(), hub(), parameters=DECLARED)
LINES = """\
garden (Azure Video Analyzer)
nodes:
  RtspSource camera
  HttpExtension detector <- camera
  SignalGateProcessor gate <- detector, camera
  VideoSink video <- gate
  IotHubMessageSink hub <- detector
parameters:
  url (string): {url}. Of the camera.
  user (string): default "ann"
  word (string): has a default
  key (secretString): has a default, not used
  server (string): has a default, not used
  service (string): has a default, not used
  rate (double): default "2"
"""


def test_a_report_has_nodes_parameters_and_warnings(tmp_path: Path) -> None:
    found = report(written(tmp_path, DOCUMENT), {"URL": f"rtsp://ann:{SECRET}@a/"}, pipeline="door")
    warnings = "".join(f"warning: the parameter {name} is not used.\n" for name in ("key", "server", "service"))
    assert "\n".join([*found.lines, ""]) == LINES.format(url="given") + warnings
    assert found.is_fine


def test_a_report_says_what_is_missing(tmp_path: Path) -> None:
    found = report(written(tmp_path, DOCUMENT), {}, pipeline="door")
    error = "to run it: url has no value; give --set url=VALUE.\n"
    assert "\n".join([*found.lines, ""]) == LINES.format(url="needs a value") + error
    assert found.is_fine
    assert not report(written(tmp_path, DOCUMENT), {"rate": "0"}, source="a.avi", pipeline="door").is_fine


def test_a_report_names_nodes_that_are_refused(tmp_path: Path) -> None:
    document = topology(camera(prefix=LVA), node("GrpcExtension", "asked", "camera", prefix=LVA), description="One")
    assert report(written(tmp_path, document), {}, pipeline="door").lines == (
        "garden (Live Video Analytics): One",
        "nodes:",
        "  RtspSource camera",
        "  GrpcExtension asked <- camera",
        (
            "error: line 17, column 4: asked (GrpcExtension) speaks gRPC, which is not supported; "
            "serve the model over HTTP, and use an HttpExtension."
        ),
    )


def test_odd_inputs_do_not_stop_a_report(tmp_path: Path) -> None:
    document = detecting()
    document["properties"]["processors"][0]["inputs"] = "camera"
    lines = report(written(tmp_path, document), {}, pipeline="door").lines
    assert lines[3:] == (
        "  HttpExtension detector",
        "  IotHubMessageSink hub <- detector",
        "error: line 20, column 5: detector: inputs: expected a list.",
    )


def test_a_file_that_cannot_be_read_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"topology\.json: line 1, column 1: this is not JSON: expected a value\.$"):
        report(written(tmp_path, ""), {}, pipeline="door")
