"""The front door: files and ready topologies, and sources that replace the camera's."""

from pathlib import Path
from typing import Any

import pytest

from player.errors import MissingValueError, TopologyError
from player.topology.nodes import FileSink, HttpExtension, LineCrossingProcessor, RtspSource, SignalGateProcessor
from player.topology.reading import READY, path_of, read_topology
from player.topology.sections.endpoints import Endpoint, UsernamePasswordCredentials
from tests.player.topology.documents import (
    camera,
    detecting,
    detector,
    endpoint,
    hub,
    load,
    login,
    node,
    parameter,
    read,
    topology,
    written,
)

SECRET = "heron-77"
NEEDY = [parameter("url"), parameter("user"), parameter("word", "secretString")]


def needy(**keys: Any) -> dict[str, Any]:
    """Return a topology whose camera is all parameters."""
    source = camera("${url}", credentials=login("${user}", "${word}"), **keys)
    return topology(source, detector(), hub(), parameters=NEEDY)


def address(found: Endpoint) -> tuple[str, str | None, str | None]:
    """Return an endpoint's URL, user name and password."""
    assert found.credentials is None or isinstance(found.credentials, UsernamePasswordCredentials)
    if found.credentials is None:
        return found.url, None, None
    return found.url, found.credentials.username, found.credentials.password.get_secret_value()


@pytest.mark.parametrize(
    ("source", "values", "expected"),
    [
        ("rtsp://b.example/s", {}, ("rtsp://b.example/s", None, None)),
        ("rtsp://ann:heron-77@b.example/s", {}, ("rtsp://b.example/s", "ann", SECRET)),
        ("rtsp://b.example/", {"user": "eve", "word": SECRET}, ("rtsp://b.example/", "eve", SECRET)),
        ("RTSPS://ann:b@b.example/", {"user": "eve", "word": SECRET}, ("rtsps://b.example/", "ann", "b")),
        ("videos/street.avi", {"user": "eve", "word": SECRET}, ("videos/street.avi", None, None)),
        ("file:///street.avi", {}, ("file:///street.avi", None, None)),
        ("rtsp://b.example/${url}", {}, ("rtsp://b.example/${url}", None, None)),
        ("rtsp://b.example/@home", {"url": "rtsp://unused"}, ("rtsp://b.example/@home", None, None)),
    ],
    ids=["no credentials", "with credentials", "given", "both", "file", "URL of a file", "reference", "at sign"],
)
def test_a_source_replaces_the_cameras(
    tmp_path: Path, source: str, values: dict[str, str], expected: tuple[str, str | None, str | None]
) -> None:
    assert address(read(tmp_path, needy(), values, source).camera.endpoint) == expected


def test_a_source_keeps_the_rest_of_the_endpoint_unless_it_is_a_file(tmp_path: Path) -> None:
    secured = endpoint("rtsps://a.example", kind="TlsEndpoint", validationOptions={"ignoreHostname": True})
    document = topology(node("RtspSource", "camera", endpoint=secured, transport="http"), detector(), hub())
    kept = read(tmp_path, document, source="rtsps://b.example").camera
    assert (kept.endpoint.type, kept.endpoint.validation_options.ignore_hostname) == ("TlsEndpoint", True)
    assert (kept.endpoint.url, kept.transport) == ("rtsps://b.example", "http")
    dropped = read(tmp_path, document, source="a.mp4").camera
    assert (dropped.endpoint, dropped.transport) == (Endpoint(url="a.mp4"), "http")


def test_a_source_keeps_credentials_that_are_written_out(tmp_path: Path) -> None:
    document = topology(camera(credentials=login("test", SECRET)), detector(), hub())
    found = read(tmp_path, document, source="rtsp://b.example")
    assert address(found.camera.endpoint) == ("rtsp://b.example", "test", SECRET)


def test_a_source_gives_a_camera_an_endpoint(tmp_path: Path) -> None:
    document = topology({"@type": "RtspSource", "name": "camera"}, detector(), hub())
    assert read(tmp_path, document, source="rtsp://b").camera.endpoint.url == "rtsp://b"


@pytest.mark.parametrize(
    ("document", "values", "source", "message"),
    [
        (
            needy(),
            {},
            None,
            "url and user and word have no value; give --set url=VALUE --set user=VALUE --set word=VALUE.",
        ),
        (needy(), {"user": "eve"}, "rtsp://b", "word has no value; give --set word=VALUE."),
        (topology(hub()), {}, "rtsp://b", "--source replaces the URL of the only RtspSource; it has 0."),
        (
            detecting(camera(name="second")),
            {},
            "rtsp://b",
            "--source replaces the URL of the only RtspSource; it has 2.",
        ),
        (
            detecting(),
            {},
            f"rtsp://ann:he#{SECRET}@b",
            "--source: this is no URL; in a password, # / ? and @ are written %23 %2F %3F and %40.",
        ),
        (detecting(), {}, "", "--source is empty; expected a URL, or the path of a file."),
        ({"name": "a"}, {}, None, "line 1, column 1: properties: it is missing."),
        ({"name": "a", "properties": []}, {}, None, "line 1, column 1: properties: expected an object, {...}."),
        ({"properties": {"sources": []}}, {}, None, "line 1, column 1: name: it is missing."),
        ({"name": "a", "properties": {}}, {}, None, "line 3, column 16: properties: sources: it is missing."),
        (
            {"name": "a", "properties": {"sources": {}}},
            {},
            None,
            "line 4, column 3: properties: sources: expected a list.",
        ),
        (
            {"name": "a", "properties": {"sources": ["camera"]}},
            {},
            None,
            "line 4, column 3: sources: expected a list of objects.",
        ),
    ],
    ids=[
        "missing", "half given", "no camera", "two cameras", "no URL", "empty", "no properties", "odd properties",
        "no name", "no sources", "sources", "source",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, document: Any, values: dict[str, str], source: str | None, message: str
) -> None:
    with pytest.raises(TopologyError) as refused:
        load(tmp_path, document, values, source)
    assert str(refused.value) == f"{tmp_path / 'topology.json'}: {message}"
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_node_that_cannot_run_is_refused_before_values_are_asked_for(tmp_path: Path) -> None:
    document = needy()
    document["properties"]["processors"].append(node("GrpcExtension", "asked", "camera"))
    with pytest.raises(TopologyError, match=r": asked \(GrpcExtension\) speaks gRPC, "):
        load(tmp_path, document)


def test_a_file_that_is_not_there_is_refused_with_what_is_ready(tmp_path: Path) -> None:
    with pytest.raises(TopologyError) as refused:
        read_topology(tmp_path / "none", {}, pipeline="door")
    assert str(refused.value) == (
        f"{tmp_path / 'none'}: there is no such file; count-line, detect, record-on-detection are ready to use."
    )


@pytest.mark.parametrize("name", READY)
def test_a_ready_topology_needs_a_camera_only(name: str) -> None:
    loaded = read_topology(name, {}, source="street.avi", pipeline="door")
    assert loaded.warnings == ()
    assert (loaded.topology.name, loaded.topology.dialect) == (name, "ava")
    assert [declared.default for declared in loaded.topology.parameters if declared.name.startswith("rtsp")] == [
        None,
        "",
        "",
    ]
    assert loaded.topology.camera.endpoint == Endpoint(url="street.avi")
    asked = next(each for each in loaded.topology.processors if isinstance(each, HttpExtension))
    assert asked.endpoint == Endpoint(url="http://127.0.0.1:8080/inference")
    assert asked.sampling_options.maximum_samples_per_second == 5
    with pytest.raises(MissingValueError, match=rf"^{name}: rtspUrl has no value; give --set rtspUrl=VALUE\.$"):
        read_topology(name, {}, pipeline="door")


@pytest.mark.parametrize("name", READY)
def test_the_parameters_of_ready_topologies_need_no_json(name: str) -> None:
    values = {
        "rtspUrl": "rtsp://cam",
        "rtspUserName": "ann",
        "rtspPassword": SECRET,
        "inferencingUrl": "https://a/b",
        "inferencingUserName": "bob",
        "inferencingPassword": SECRET,
        "framesPerSecond": "2.5",
    }
    found = read_topology(name, values, pipeline="door").topology
    asked = found.processors[0]
    assert isinstance(asked, HttpExtension)
    assert address(found.camera.endpoint) == ("rtsp://cam", "ann", SECRET)
    assert address(asked.endpoint) == ("https://a/b", "bob", SECRET)
    assert asked.sampling_options.maximum_samples_per_second == 2.5
    assert SECRET not in repr(found)


def test_clips_of_people_and_cars() -> None:
    values = {"labels": "person,car", "minimumConfidence": "0.7", "clips": "/tmp/a", "maximumSizeMiB": "64"}
    found = read_topology("record-on-detection", values, source="a.avi", pipeline="door").topology
    opened = next(each for each in found.processors if isinstance(each, SignalGateProcessor))
    sink = next(each for each in found.sinks if isinstance(each, FileSink))
    assert opened.trigger_filter is not None
    assert (opened.trigger_filter.labels, opened.trigger_filter.minimum_confidence) == (("person", "car"), 0.7)
    assert [time.total_seconds() for time in (
        opened.activation_signal_offset, opened.minimum_activation_time, opened.maximum_activation_time
    )] == [-5, 20, 300]  # fmt: skip
    assert (sink.base_directory_path, sink.maximum_size_mib) == ("/tmp/a", 64)
    assert sink.file_name_pattern == "door-${System.DateTime}"


def test_a_line_of_four_numbers() -> None:
    values = {"line": "0, 0.5, 1, 0.5", "lineName": "kerb"}
    counter = read_topology("count-line", values, source="a.avi", pipeline="door").topology.processors[-1]
    assert isinstance(counter, LineCrossingProcessor)
    assert [(one.name, one.line) for one in counter.lines] == [("kerb", ((0, 0.5), (1, 0.5)))]


def test_a_file_may_have_the_name_of_a_ready_topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, detecting()).rename("detect")
    assert read_topology("./detect", {}, pipeline="door").topology.name == "garden"
    assert read_topology("detect", {}, source="a.avi", pipeline="door").topology.name == "detect"


def test_ready_topologies_are_the_files_of_their_folder() -> None:
    assert sorted(path.stem for path in path_of("detect").parent.iterdir()) == list(READY)


def test_a_topology_names_its_nodes(tmp_path: Path) -> None:
    found = read(tmp_path, detecting(description="All of it"))
    assert [each.name for each in found.nodes] == ["camera", "detector", "hub"]
    assert (found.description, isinstance(found.camera, RtspSource)) == ("All of it", True)
