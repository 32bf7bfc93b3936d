"""Nodes of both dialects are read, in any letter case, and their faults are named and placed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from player.errors import TopologyError
from player.topology.nodes import (
    FileSink,
    HttpExtension,
    IotHubMessageSource,
    LineCrossingProcessor,
    MotionDetectionProcessor,
    NodeInput,
    OutputSelector,
    RtspSource,
    SignalGateProcessor,
    VideoSink,
)
from player.topology.sections.endpoints import (
    Endpoint,
    HttpHeaderCredentials,
    UsernamePasswordCredentials,
    without_credentials,
)
from player.topology.sections.images import ImageFormatBmp, ImageFormatJpeg, ImageFormatPng, ImageFormatRaw, Scale
from tests.player.topology.documents import (
    AVA,
    DIALECTS,
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
    login,
    motion,
    node,
    read,
    topology,
    video,
)

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ALL: list[dict[str, Any]] = [
    {"@type": "RtspSource", "name": "camera", "endpoint": {"@type": "UnsecuredEndpoint", "url": "rtsp://a"}},
    {"@type": "IotHubMessageSource", "name": "messages", "hubInputName": "record"},
    {"@type": "MotionDetectionProcessor", "name": "motion", "inputs": fed("camera")},
    {"@type": "FrameRateFilterProcessor", "name": "rate", "inputs": fed("motion"), "maximumFps": "0.5"},
    {
        "@type": "HttpExtension",
        "name": "detector",
        "inputs": fed("rate"),
        "endpoint": {"@type": "UnsecuredEndpoint", "url": "http://a"},
    },
    {"@type": "ObjectTrackingProcessor", "name": "tracker", "inputs": fed("detector")},
    {
        "@type": "LineCrossingProcessor",
        "name": "lines",
        "inputs": fed("tracker"),
        "lines": [{"@type": "NamedLineString", "name": "kerb", "line": "[[0,0.5],[1,0.5]]"}],
    },
    {"@type": "SignalGateProcessor", "name": "gate", "inputs": fed("messages", "camera")},
    {"@type": "IotHubMessageSink", "name": "hub", "inputs": fed("lines"), "hubOutputName": "found"},
    {
        "@type": "FileSink",
        "name": "files",
        "inputs": fed("gate"),
        "baseDirectoryPath": "/clips",
        "fileNamePattern": "${System.DateTime}",
        "maximumSizeMiB": "1",
    },
    {"@type": "VideoSink", "name": "video", "inputs": fed("gate"), "videoName": "door"},
]


def prefixed(value: Any, prefix: str, case: Callable[[str], str]) -> Any:
    """Return a section in a dialect, its keys and types in a letter case."""
    if isinstance(value, list):
        return [prefixed(each, prefix, case) for each in value]
    if isinstance(value, dict):
        changed = {case(key): prefixed(each, prefix, case) for key, each in value.items() if key != "@type"}
        return {**changed, **({case("@type"): case(prefix + value["@type"])} if "@type" in value else {})}
    return value


@pytest.mark.parametrize("case", [str, str.lower, str.upper], ids=["written", "lower", "upper"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_node_is_read_in_both_dialects_and_any_case(
    tmp_path: Path, dialect: str, case: Callable[[str], str]
) -> None:
    groups = {"sources": ALL[:2], "processors": ALL[2:8], "sinks": ALL[8:]}
    properties = {group: prefixed(nodes, DIALECTS[dialect], case) for group, nodes in groups.items()}
    document = {case("name"): "all", case("properties"): {case(key): value for key, value in properties.items()}}
    found = load(tmp_path, document).topology
    assert found.dialect == dialect
    assert [(type(each).__name__, each.name) for each in found.nodes] == [(one["@type"], one["name"]) for one in ALL]
    assert found.camera.endpoint.url == "rtsp://a"


def test_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, topology(camera(), motion(), detector(), gate(), hub("detector"), files(), video()))
    source, moving, asked, opened, _, _, recorded = found.nodes
    assert isinstance(source, RtspSource)
    assert isinstance(moving, MotionDetectionProcessor)
    assert isinstance(asked, HttpExtension)
    assert isinstance(opened, SignalGateProcessor)
    assert isinstance(recorded, VideoSink)
    assert (source.transport, source.endpoint.credentials) == ("tcp", None)
    assert (moving.sensitivity, moving.output_motion_region) == ("medium", True)
    assert moving.event_aggregation_window == timedelta(seconds=1)
    assert (asked.image.scale, asked.image.format) == (None, ImageFormatBmp())
    assert (asked.sampling_options.maximum_samples_per_second, asked.timeout) == (None, timedelta(seconds=10))
    assert (opened.minimum_activation_time, opened.maximum_activation_time) == (timedelta(0, 30), timedelta(0, 300))
    assert (opened.activation_evaluation_window, opened.activation_signal_offset) == (timedelta(0, 1), timedelta(0))
    assert opened.trigger_filter is None
    assert (recorded.segment, recorded.video_creation_properties.retention_period) == (timedelta(seconds=30), None)


def test_numbers_and_booleans_may_be_strings_and_words_in_any_case(tmp_path: Path) -> None:
    asked = detector(
        image={"scale": {"Mode": "PAD", "width": "416.0", "Height": 416}},
        samplingOptions={"skipSamplesWithoutAnnotation": "False", "maximumSamplesPerSecond": "2.0"},
        timeout="PT2.5S",
    )
    seen = motion(sensitivity="HIGH", outputMotionRegion="false", eventAggregationWindow="PT0S")
    source = {**camera(), "transport": "HTTP"}
    found = read(tmp_path, topology(source, seen, asked, hub("motion", "detector")))
    first, second = found.processors
    assert isinstance(first, MotionDetectionProcessor)
    assert isinstance(second, HttpExtension)
    assert (first.sensitivity, first.output_motion_region, first.event_aggregation_window) == (
        "high",
        False,
        timedelta(0),
    )
    assert second.image.scale == Scale(mode="pad", width=416, height=416)
    assert second.sampling_options.maximum_samples_per_second == 2
    assert not second.sampling_options.skip_samples_without_annotation
    assert (second.timeout, found.camera.transport) == (timedelta(seconds=2.5), "http")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"@type": AVA + "ImageFormatBmp"}, ImageFormatBmp()),
        ({"@type": AVA + "ImageFormatJpeg", "quality": "75"}, ImageFormatJpeg(quality=75)),
        ({"@type": AVA + "ImageFormatJpeg"}, ImageFormatJpeg(quality=90)),
        ({"@type": AVA + "ImageFormatPng"}, ImageFormatPng()),
        ({"@type": AVA + "ImageFormatRaw", "pixelFormat": "BGR24"}, ImageFormatRaw(pixel_format="bgr24")),
        ({"@type": LVA + "ImageFormatEncoded", "encoding": "BMP", "quality": "9"}, ImageFormatBmp()),
        ({"@type": LVA + "ImageFormatEncoded", "Encoding": "jpeg", "quality": "9"}, ImageFormatJpeg(quality=9)),
        ({"@type": LVA + "ImageFormatEncoded", "encoding": "png"}, ImageFormatPng()),
        ({"@type": LVA + "ImageFormatEncoded"}, ImageFormatBmp()),
    ],
    ids=["bmp", "jpeg", "jpeg default", "png", "raw", "encoded bmp", "encoded jpeg", "encoded png", "encoded"],
)
def test_formats_of_images(tmp_path: Path, section: dict[str, Any], expected: Any) -> None:
    found = read(tmp_path, topology(camera(), detector(image={"format": section}), hub()))
    (asked,) = found.processors
    assert isinstance(asked, HttpExtension)
    assert (type(asked.image.format), asked.image.format) == (type(expected), expected)


@pytest.mark.parametrize("prefix", DIALECTS.values(), ids=DIALECTS)
def test_an_endpoint_with_tls_and_a_header(tmp_path: Path, prefix: str) -> None:
    server = endpoint(
        "https://a.example/score",
        prefix,
        "TlsEndpoint",
        credentials={"@type": prefix + "HttpHeaderCredentials", "headerName": "x-key", "headerValue": "heron-77"},
        trustedCertificates={"@type": prefix + "PemCertificateList", "certificates": [PEM]},
        validationOptions={"ignoreHostname": "true", "ignoreSignature": "false"},
    )
    found = read(tmp_path, topology(camera(), detector(endpoint=server, prefix=prefix), hub()))
    (asked,) = found.processors
    assert isinstance(asked, HttpExtension)
    server_read = asked.endpoint
    assert (server_read.type, server_read.scheme) == ("TlsEndpoint", "https")
    assert isinstance(server_read.credentials, HttpHeaderCredentials)
    assert server_read.credentials.header_name == "x-key"
    assert server_read.credentials.header_value.get_secret_value() == "heron-77"
    assert server_read.trusted_certificates is not None
    assert server_read.trusted_certificates.certificates == (PEM,)
    assert (server_read.validation_options.ignore_hostname, server_read.validation_options.ignore_signature) == (
        True,
        False,
    )
    assert "heron-77" not in repr(found)


@pytest.mark.parametrize(
    ("url", "credentials", "expected"),
    [
        ("rtsp://a.example:554/s?x=1", login("ann", "heron-77"), ("rtsp://a.example:554/s?x=1", "ann", "heron-77")),
        ("rtsp://ann:her%40on@a.example/s", None, ("rtsp://a.example/s", "ann", "her@on")),
        ("rtsp://ann@a.example/s", None, ("rtsp://a.example/s", "ann", "")),
        ("rtsp://ann:b@c@a.example/s", login("eve", "x"), ("rtsp://a.example/s", "ann", "b@c")),
        ("rtsp://a.example", login("", "heron-77"), ("rtsp://a.example", None, None)),
        ("rtsp://a.example", login("ann", 7), ("rtsp://a.example", "ann", "7")),
    ],
    ids=["apart", "in the URL", "name only", "both", "empty name", "number"],
)
def test_credentials_of_a_camera(tmp_path: Path, url: str, credentials: Any, expected: tuple[Any, ...]) -> None:
    keys = {"credentials": credentials} if credentials else {}
    found = read(tmp_path, topology(camera(url, **keys), detector(), hub())).camera.endpoint
    login_read = found.credentials
    assert login_read is None or isinstance(login_read, UsernamePasswordCredentials)
    name = login_read.username if login_read else None
    password = login_read.password.get_secret_value() if login_read else None
    assert (found.url, name, password) == expected


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ([], ["video", "audio", "application"]),
        ([("is", "video")], ["video"]),
        ([("isNot", "application")], ["video", "audio"]),
        ([("is", "video"), ("is", "audio")], ["video", "audio"]),
        ([("is", "video"), ("isNot", "video")], []),
    ],
    ids=["all", "is", "isNot", "two", "none"],
)
def test_selectors_choose_media(selectors: Any, expected: list[str]) -> None:
    chosen = tuple(OutputSelector(operator=operator, value=value) for operator, value in selectors)
    one = NodeInput(node_name="camera", output_selectors=chosen)
    assert [media for media in ("video", "audio", "application") if one.takes(media)] == expected


@pytest.mark.parametrize(
    "line",
    ["[[0.5,0.1], [0.5,0.9]]", "0.5,0.1,0.5,0.9", " 0.5 , 0.1  0.5 0.9 ", [[0.5, "0.1"], ["0.5", 0.9]]],
    ids=["json", "commas", "blanks", "list"],
)
def test_a_line_is_json_in_a_string_or_four_numbers(tmp_path: Path, line: Any) -> None:
    found = read(tmp_path, topology(*lines({"name": "kerb", "line": line})))
    counter = found.processors[-1]
    assert isinstance(counter, LineCrossingProcessor)
    assert [(one.name, one.line) for one in counter.lines] == [("kerb", ((0.5, 0.1), (0.5, 0.9)))]


def lines(*drawn: dict[str, Any]) -> list[dict[str, Any]]:
    """Return nodes that count at lines."""
    tracker = node("ObjectTrackingProcessor", "tracker", "detector")
    counter = node("LineCrossingProcessor", "counter", "tracker", lines=list(drawn))
    return [camera(), detector(), tracker, counter, hub("counter")]


@pytest.mark.parametrize("labels", ["person, car,", ["person", "car"]], ids=["string", "list"])
def test_a_gate_may_filter_its_triggers(tmp_path: Path, labels: Any) -> None:
    rules = {"labels": labels, "minimumConfidence": "0.4", "events": "kerb"}
    opened = read(tmp_path, detecting(gate("gate", "detector", "camera", triggerFilter=rules), files())).processors[-1]
    assert isinstance(opened, SignalGateProcessor)
    assert opened.trigger_filter is not None
    chosen = opened.trigger_filter
    assert (chosen.labels, chosen.minimum_confidence, chosen.events) == (("person", "car"), 0.4, ("kerb",))


@pytest.mark.parametrize(
    ("keys", "folder", "pattern"),
    [
        ({"filePathPattern": "/var/media/a-${System.DateTime}"}, "/var/media", "a-${System.DateTime}"),
        ({"filePathPattern": "a-${System.DateTime}"}, ".", "a-${System.DateTime}"),
        ({"filePathPattern": "/a"}, "/", "a-${System.DateTime}"),
        ({"baseDirectoryPath": "c", "fileNamePattern": "a"}, "c", "a-${System.DateTime}"),
        ({"baseDirectoryPath": "c", "fileNamePattern": "${System.Runtime.DateTime}"}, "c", "${System.DateTime}"),
    ],
    ids=["path", "no folder", "root", "no time", "runtime"],
)
def test_files_of_both_dialects(tmp_path: Path, keys: dict[str, str], folder: str, pattern: str) -> None:
    sink = {**node("FileSink", "files", "gate"), "maximumSizeMiB": "5", **keys}
    written = read(tmp_path, topology(camera(), motion(), gate(), sink)).sinks[0]
    assert isinstance(written, FileSink)
    assert (written.base_directory_path, written.file_name_pattern) == (folder, pattern)
    assert written.maximum_size_mib == 5


@pytest.mark.parametrize("dialect", DIALECTS)
def test_recordings_of_both_dialects(tmp_path: Path, dialect: str) -> None:
    common = {"LocalMediaCacheMaximumSizeMiB": "2048", "localMediaCachePath": "/var/cache"}
    described = {"title": "A", "description": "B", "segmentLength": "PT1M", "retentionPeriod": "P30D"}
    publishing = {"enableVideoPreviewImage": "true"}
    keys: dict[str, Any] = {"videoName": "door", "videoCreationProperties": described, **common}
    if dialect == "lva":
        keys = {"assetNamePattern": "door", "segmentLength": "PT1M", **common}
    else:
        keys["videoPublishingOptions"] = publishing
    kind = {"ava": "VideoSink", "lva": "AssetSink"}[dialect]
    prefix = DIALECTS[dialect]
    sink = read(tmp_path, topology(camera(prefix=prefix), node(kind, "v", "camera", prefix=prefix, **keys))).sinks[0]
    assert isinstance(sink, VideoSink)
    assert (sink.video_name, sink.segment, sink.local_media_cache_path) == ("door", timedelta(minutes=1), "/var/cache")
    assert sink.local_media_cache_maximum_size_mib == 2048
    if dialect == "ava":
        assert sink.video_creation_properties.retention_period == timedelta(days=30)


def test_a_hub_source_and_keys_without_values(tmp_path: Path) -> None:
    source = node("IotHubMessageSource", "messages", hubInputName="record")
    opened = gate("gate", "messages", "camera", triggerFilter=None, activationSignalOffset=None)
    found = read(tmp_path, topology(camera(), source, opened, files()))
    assert found.sources[1] == IotHubMessageSource(name="messages", hub_input_name="record")


PATTERN = "it is empty, too long, or has characters that are not possible here"


def header(name: str, value: str) -> dict[str, Any]:
    return {"@type": AVA + "HttpHeaderCredentials", "headerName": name, "headerValue": value}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "transport": ({**camera(), "transport": "udp"}, "camera: transport: expected 'http' or 'tcp'."),
    "no endpoint": (node("RtspSource", "camera"), "camera: endpoint: it is missing."),
    "no URL": (
        node("RtspSource", "camera", endpoint={"@type": AVA + "UnsecuredEndpoint"}),
        "camera: endpoint.url: it is missing.",
    ),
    "empty URL": (camera(""), "camera: endpoint.url: it is empty."),
    "odd endpoint": (
        node("RtspSource", "camera", endpoint=endpoint(kind="Tunnel")),
        "camera: endpoint.@type: expected 'UnsecuredEndpoint' or 'TlsEndpoint'.",
    ),
    "tunnel": (
        camera(tunnel={"@type": AVA + "SecureIotDeviceRemoteTunnel"}),
        (
            "camera: endpoint.tunnel: tunnels through Azure are not supported; "
            "expected a URL that can be reached from here."
        ),
    ),
    "odd URL": (
        camera("rtsp://ann:he#ron@a.example/"),
        "camera: endpoint: this is no URL; in a password, # / ? and @ are written %23 %2F %3F and %40.",
    ),
    "URL with control characters": (
        camera("rtsp://a.example/\x9b2J"),
        "camera: endpoint.url: it is empty, too long, or has characters that are not possible here.",
    ),
    "folder with text that turns": (
        files("camera", baseDirectoryPath="/clips/\u202e"),
        "files: baseDirectoryPath: it is empty, too long, or has characters that are not possible here.",
    ),
    "odd password": (
        camera("rtsp://ann:12/heron@a.example/"),
        "camera: endpoint: this is no URL; in a password, # / ? and @ are written %23 %2F %3F and %40.",
    ),
    "odd credentials": (
        camera(credentials={"@type": AVA + "SymmetricKeyCredentials", "key": "x"}),
        "camera: endpoint.credentials: expected an @type of UsernamePasswordCredentials or HttpHeaderCredentials.",
    ),
    "no name": ({"@type": AVA + "RtspSource"}, "a node without a name: name: it is missing."),
    "odd name": ({**camera(), "name": "a\nb"}, f"a?b: name: {PATTERN}."),
    "type": (node("Rtsp", "camera"), "camera (Rtsp) is of a type that is not known."),
    "no type": ({"name": "camera"}, "camera needs an @type."),
    "gRPC": (
        node("GrpcExtension", "asked", "camera"),
        (
            "asked (GrpcExtension) speaks gRPC, which is not supported; "
            "serve the model over HTTP, and use an HttpExtension."
        ),
    ),
    "spatial": (
        node("CognitiveServicesVisionProcessor", "asked", "camera"),
        (
            "asked (CognitiveServicesVisionProcessor) needs Microsoft's container for spatial analysis, "
            "which is closed and can no longer be used."
        ),
    ),
    "spatial lva": (
        node("CognitiveServicesVisionExtension", "asked", "camera", prefix=LVA),
        (
            "asked (CognitiveServicesVisionExtension) needs Microsoft's container for spatial analysis, "
            "which is closed and can no longer be used."
        ),
    ),
    "cloud": (
        node("EncoderProcessor", "coder", "camera"),
        "coder (EncoderProcessor) belongs to pipelines in the cloud, which never ran on a device.",
    ),
    "no inputs": (node("MotionDetectionProcessor", "seen"), "seen: inputs: it is missing."),
    "empty inputs": (
        node("MotionDetectionProcessor", "seen") | {"inputs": []},
        "seen: inputs: expected at least 1.",
    ),
    "input": (
        node("MotionDetectionProcessor", "seen") | {"inputs": [{"name": "camera"}]},
        "seen: inputs[0].nodeName: it is missing.",
    ),
    "selector": (
        node("MotionDetectionProcessor", "seen")
        | {"inputs": [{"nodeName": "camera", "outputSelectors": [{"operator": "has", "value": "video"}]}]},
        "seen: inputs[0].outputSelectors[0].operator: expected 'is' or 'isNot'.",
    ),
    "sensitivity": (motion(sensitivity="most"), "motion: sensitivity: expected 'low', 'medium' or 'high'."),
    "window": (
        motion(eventAggregationWindow="1 second"),
        "motion: eventAggregationWindow: expected a duration such as PT30S.",
    ),
    "rate": (
        node("FrameRateFilterProcessor", "rate", "camera", maximumFps=0),
        "rate: maximumFps: expected more than 0.",
    ),
    "URL of RTSP": (
        detector(endpoint=endpoint("rtsp://a")),
        "detector: endpoint: url: expected a URL that begins with http:// or https://.",
    ),
    "NaN": (
        detector(samplingOptions={"maximumSamplesPerSecond": "nan"}),
        "detector: samplingOptions.maximumSamplesPerSecond: expected a number.",
    ),
    "skip": (
        detector(samplingOptions={"skipSamplesWithoutAnnotation": "perhaps"}),
        "detector: samplingOptions.skipSamplesWithoutAnnotation: expected true or false.",
    ),
    "one side": (
        detector(image={"scale": {"mode": "stretch", "width": 5}}),
        "detector: image.scale: stretch needs width and height.",
    ),
    "no side": (
        detector(image={"scale": {"mode": "preserveAspectRatio"}}),
        "detector: image.scale: preserveAspectRatio needs width or height.",
    ),
    "side": (
        detector(image={"scale": {"width": "wide", "height": 5}}),
        "detector: image.scale.width: expected a whole number.",
    ),
    "format": (
        detector(image={"format": {"@type": AVA + "ImageFormatGif"}}),
        (
            "detector: image.format: "
            "expected an @type of ImageFormatBmp, ImageFormatJpeg, ImageFormatPng or ImageFormatRaw."
        ),
    ),
    "quality": (
        detector(image={"format": {"@type": AVA + "ImageFormatJpeg", "quality": "101"}}),
        "detector: image.format.quality: expected at most 100.",
    ),
    "certificate": (
        detector(endpoint=endpoint("https://a", trustedCertificates={"certificates": ["MIIB"]})),
        (
            "detector: endpoint.trustedCertificates.certificates[0]: expected a certificate in PEM, "
            "which begins with -----BEGIN CERTIFICATE-----."
        ),
    ),
    "header": (
        detector(endpoint=endpoint("https://a", credentials=header(":", "x"))),
        "detector: endpoint.credentials.headerName: expected the name of an HTTP header.",
    ),
    "header value": (
        detector(endpoint=endpoint("https://a", credentials=header("x", "a\r\nb: c"))),
        "detector: endpoint.credentials.headerValue: expected one line without control characters.",
    ),
    "polygon": (
        lines({"@type": AVA + "NamedPolygonString", "name": "a", "polygon": "[]"})[3],
        "counter: lines[0].@type: NamedPolygonString belongs to spatial analysis; expected NamedLineString.",
    ),
    "no lines": (lines()[3], "counter: lines: expected at least 1."),
    "same name": (
        lines({"name": "a", "line": "0,0,1,1"}, {"name": "a", "line": "0,1,1,0"})[3],
        "counter: lines: expected a name of its own for each line.",
    ),
    "point": (
        lines({"name": "a", "line": "0.5,0.5,0.5,0.5"})[3],
        "counter: lines[0]: line: expected two different points.",
    ),
    "outside": (
        lines({"name": "a", "line": "[[0,0],[1,2]]"})[3],
        "counter: lines[0].line: expected at most 1.",
    ),
    "three numbers": (
        lines({"name": "a", "line": "0,0,1"})[3],
        "counter: lines[0].line: expected a line such as [[0.5,0.1],[0.5,0.9]], or 0.5,0.1,0.5,0.9.",
    ),
    "broken line": (
        lines({"name": "a", "line": "[[0,0],[1,1]"})[3],
        (
            "counter: lines[0].line: expected a line such as [[0.5,0.1],[0.5,0.9]]; in this string, line 1, column 13: "
            "this is not JSON: expected a comma or ] after a value."
        ),
    ),
    "long line": (
        lines({"name": "a", "line": "[" * 401})[3],
        "counter: lines[0].line: expected at most 400 characters.",
    ),
    "confidence": (
        gate(triggerFilter={"minimumConfidence": 2}),
        "gate: triggerFilter.minimumConfidence: expected at most 1.",
    ),
    "no folder": (
        node("FileSink", "files", "gate", fileNamePattern="a"),
        "files: baseDirectoryPath: it is missing.",
    ),
    "no video": (node("VideoSink", "video", "gate"), "video: videoName: it is missing."),
    "retention": (
        video(videoCreationProperties={"retentionPeriod": "-P1D"}),
        "video: videoCreationProperties.retentionPeriod: expected at least 0 seconds.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_node_is_refused_by_name(tmp_path: Path, name: str) -> None:
    wrong, message = WRONG[name]
    others = [camera(name="other"), motion("m", "other"), gate("g", "m", "other"), files("g")]
    with pytest.raises(TopologyError) as refused:
        load(tmp_path, topology(*others, wrong))
    text = str(refused.value)
    assert text.partition(", column ")[2].partition(": ")[2] == message
    assert text.startswith(f"{tmp_path / 'topology.json'}: line ")


def test_a_node_of_another_group_is_refused(tmp_path: Path) -> None:
    document = topology(camera())
    document["properties"]["sinks"] = [detector()]
    with pytest.raises(
        TopologyError, match=r"detector \(HttpExtension\) is one of the processors, not of the sinks\.$"
    ):
        load(tmp_path, document)


def test_a_fault_is_placed_where_it_is(tmp_path: Path) -> None:
    source = '{"@type": "RtspSource", "name": "c",\n   "Endpoint": {"URL": 5,\n  "Url": 6}}'
    text = f'{{"name": "x", "properties": {{"sources": [\n {source}]}}}}'
    with pytest.raises(TopologyError, match=r": line 4, column 3: the key Url is there twice"):
        load(tmp_path, text)
    with pytest.raises(TopologyError, match=r": line 3, column 4: c: Endpoint\.url: it is missing\.$"):
        load(tmp_path, text.replace('"URL": 5,', "").replace('"Url": 6', '"Type": "TlsEndpoint"'))


def test_keys_that_are_not_known_are_named(tmp_path: Path) -> None:
    document = detecting(systemData={"createdAt": "2021"})
    document["systemdata"] = {}
    document["properties"]["processors"][0]["samplingOption"] = {}
    document["properties"]["processors"][0]["endpoint"]["uri"] = "x"
    assert load(tmp_path, document).warnings == (
        "line 49, column 2: the key systemdata is not known, and has no effect.",
        "line 45, column 3: the key systemData is not known, and has no effect.",
        "line 30, column 5: the key samplingOption is not known, and has no effect. Did you mean samplingOptions?",
        "line 28, column 6: the key uri is not known, and has no effect. Did you mean url?",
    )


def test_not_all_of_many_unknown_keys_are_named(tmp_path: Path) -> None:
    document = detecting(**{f"key{number}": 0 for number in range(10_000)})
    assert len(load(tmp_path, document).warnings) == 50


def test_nodes_can_be_made_in_code() -> None:
    made = HttpExtension(
        name="detector", inputs=(NodeInput(node_name="camera"),), endpoint=Endpoint(url="http://ann:heron-77@a/")
    )
    assert made.endpoint.url == "http://a/"
    assert "heron-77" not in repr(made)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:p@secret#1@127.0.0.1:9/cam",
        "rtsp://admin:p@secret?1@127.0.0.1:9/cam",
        "rtsp://admin:p@secret/1@127.0.0.1:9",
        "rtsp://admin:secret#1@camera.example/cam",
    ],
)
def test_a_password_that_ends_a_host_too_early_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="this is no URL") as caught:
        without_credentials(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://server.example/inference?stream=a@b", "rtsp://u:p@camera.example/cam@1"])
def test_an_at_sign_behind_the_host_is_allowed(url: str) -> None:
    assert without_credentials(url)[0].endswith(url.rpartition("/")[2])
